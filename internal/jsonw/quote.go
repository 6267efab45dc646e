package jsonw

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// escapes has, for each byte, 0 if it stands for itself, 'u' if it becomes \u00XX, and otherwise the
// letter that follows the backslash.
var escapes = [256]byte{
	0: 'u', 1: 'u', 2: 'u', 3: 'u', 4: 'u', 5: 'u', 6: 'u', 7: 'u',
	'\b': 'b', '\t': 't', '\n': 'n', 11: 'u', '\f': 'f', '\r': 'r', 14: 'u', 15: 'u',
	16: 'u', 17: 'u', 18: 'u', 19: 'u', 20: 'u', 21: 'u', 22: 'u', 23: 'u',
	24: 'u', 25: 'u', 26: 'u', 27: 'u', 28: 'u', 29: 'u', 30: 'u', 31: 'u',
	'"': '"', '\\': '\\',
}

// AppendQuoted appends v as a JSON string. Valid UTF-8 stays as it is; if any of v is not, each byte
// from 0x80 becomes the text \xNN. Slashes and DEL are not escaped.
func AppendQuoted[T []byte | string](dst []byte, v T) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, v)
	return append(dst, '"')
}

func isUTF8[T []byte | string](v T) bool {
	switch v := any(v).(type) {
	case string:
		return utf8.ValidString(v)
	case []byte:
		return utf8.Valid(v)
	}
	return false
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether eight bytes, in any order, all stand for themselves: none is a control, a quote, a
// backslash or above ASCII.
func plain(x uint64) bool {
	quote, slash := x^('"'*ones), x^('\\'*ones)
	return (x|(x-0x20*ones)|(quote-ones)&^quote|(slash-ones)&^slash)&highs == 0
}

// appendEscaped appends v without quotes.
func appendEscaped[T []byte | string](dst []byte, v T) []byte {
	done := 0
	checked, valid := false, false
	for i := 0; i < len(v); {
		if i+8 <= len(v) && plain(uint64(v[i])|uint64(v[i+1])<<8|uint64(v[i+2])<<16|uint64(v[i+3])<<24|
			uint64(v[i+4])<<32|uint64(v[i+5])<<40|uint64(v[i+6])<<48|uint64(v[i+7])<<56) {
			i += 8
			continue
		}
		for end := min(i+8, len(v)); i < end; i++ {
			c := v[i]
			e := escapes[c]
			if e == 0 {
				if c < utf8.RuneSelf {
					continue
				}
				if !checked {
					checked, valid = true, isUTF8(v)
				}
				if valid {
					continue
				}
			}
			dst = append(dst, v[done:i]...)
			done = i + 1
			switch e {
			case 0:
				dst = append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			case 'u':
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, '\\', e)
			}
		}
	}
	return append(dst, v[done:]...)
}

// appendLimited appends v as a string cut after limit bytes. Where the cut splits a character, the
// text is not UTF-8 any more and is spelled accordingly.
func appendLimited(dst, v []byte, limit int) []byte {
	limit = max(limit, 0)
	if len(v) <= limit {
		return AppendQuoted(dst, v)
	}
	more := len(v) - limit
	v = v[:limit]
	dst = append(dst, '"')
	dst = appendEscaped(dst, v)
	dst = append(dst, "[truncated "...)
	dst = strconv.AppendInt(dst, int64(more), 10)
	dst = append(dst, " additional byte"...)
	if more != 1 {
		dst = append(dst, 's')
	}
	return append(dst, ']', '"')
}

func appendPrintable(dst, v []byte) []byte {
	dst = append(dst, '"')
	for _, c := range v {
		switch {
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '.')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
