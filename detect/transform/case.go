package transform

import "fmt"

func toLowercase() Keyword {
	return plain("to_lowercase", "convert buffer to lowercase", func(dst, src []byte) []byte {
		for _, c := range src {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
		}
		return some(dst, src)
	}, func(content []byte) error {
		for _, c := range content {
			if 'A' <= c && c <= 'Z' {
				return fmt.Errorf("the content %q has capital letters", content)
			}
		}
		return nil
	})
}

func toUppercase() Keyword {
	return plain("to_uppercase", "convert buffer to uppercase", func(dst, src []byte) []byte {
		for _, c := range src {
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst = append(dst, c)
		}
		return some(dst, src)
	}, func(content []byte) error {
		for _, c := range content {
			if 'a' <= c && c <= 'z' {
				return fmt.Errorf("the content %q has small letters", content)
			}
		}
		return nil
	})
}
