package filter

import (
	"fmt"
	"strings"
)

// token is one word or sign of a filter.
type token struct{ text string }

// maxWords bounds how much a filter may hold.
const maxWords = 4096

// scan splits a filter into words and signs.
func scan(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		if len(out) == maxWords {
			return nil, fmt.Errorf("filter has more than %d words", maxWords)
		}
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case wordByte(c):
			start := i
			for i < len(s) && wordByte(s[i]) {
				i++
			}
			out = append(out, token{strings.ToLower(s[start:i])})
		case c == '\\': // an escaped keyword, as in "ip proto \tcp"
			i++
		default:
			n := 1
			if i+1 < len(s) {
				switch s[i : i+2] {
				case "&&", "||", "!=", ">=", "<=", "==", "<<", ">>":
					n = 2
				}
			}
			if !strings.Contains("()[]!&|=<>+-*/:", s[i:i+1]) {
				return nil, fmt.Errorf("filter %q: %q does not belong there", s, s[i:i+1])
			}
			out = append(out, token{s[i : i+n]})
			i += n
		}
	}
	return out, nil
}

// wordByte reports whether c is part of a word: names, numbers and addresses. A dash is, for names such as tcp-syn and
// ranges of ports, and a colon, for addresses; inside brackets the parser takes words with them apart.
func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == ':' || c == '_' || c == '/'
}
