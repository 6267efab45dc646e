package transform

import "fmt"

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func stripWhitespace() Keyword {
	return plain("strip_whitespace", "modify buffer to strip whitespace before inspection", func(dst, src []byte) []byte {
		for _, c := range src {
			if !isSpace(c) {
				dst = append(dst, c)
			}
		}
		return some(dst, src)
	}, func(content []byte) error {
		for _, c := range content {
			if isSpace(c) {
				return fmt.Errorf("the content %q has white space", content)
			}
		}
		return nil
	})
}

func compressWhitespace() Keyword {
	return plain("compress_whitespace", "modify buffer to compress consecutive whitespace characters into a single one before inspection", func(dst, src []byte) []byte {
		space := false
		for _, c := range src {
			if !isSpace(c) {
				dst = append(dst, c)
				space = false
			} else if !space {
				dst = append(dst, c)
				space = true
			}
		}
		return some(dst, src)
	}, func(content []byte) error {
		for i := 1; i < len(content); i++ {
			if isSpace(content[i-1]) && isSpace(content[i]) {
				return fmt.Errorf("the content %q has consecutive white space", content)
			}
		}
		return nil
	})
}

var empty = []byte{}

// some is a transform's result: what is empty is there all the same.
func some(dst, src []byte) []byte {
	if len(dst) == 0 {
		if src == nil {
			return nil
		}
		return empty
	}
	return dst
}
