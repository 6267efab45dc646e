package chain

import (
	"errors"
	"fmt"
	"strings"
)

// ParseContent parses the value of content: "text|0d 0a|text", with its quotes, and a "!" before them if
// negated.
func ParseContent(value string) (*Content, error) {
	v := strings.Trim(value, " \t")
	c := &Content{}
	if strings.HasPrefix(v, "!") {
		c.Negated = true
		v = strings.TrimLeft(v[1:], " \t")
	}
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return nil, fmt.Errorf("the value must be double quoted: %q", value)
	}
	var err error
	c.Data, err = ParseBytes(v[1 : len(v)-1])
	return c, err
}

// ParseBytes parses the notation of contents, without quotes: text, in which : ; " and the backslash
// are escaped, and bytes in hexadecimal between bars.
func ParseBytes(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	hex, escape, half := false, false, -1
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '|':
			if half >= 0 {
				return nil, fmt.Errorf("Incomplete hex code in content - %s. Invalidating signature.", s)
			}
			hex = !hex
		case c == '\\' && !escape:
			escape = true
		case hex:
			d := int(digit(c))
			switch {
			case d < 16 && half < 0:
				half = d
			case d < 16:
				out = append(out, byte(half<<4|d))
				half = -1
			case c != ' ' && c != ',':
				return nil, fmt.Errorf("Invalid hex code in content - %s, hex %s. Invalidating signature.", s, string(rune(c)))
			}
		case escape:
			if c != ':' && c != ';' && c != '\\' && c != '"' {
				return nil, errors.New("'\\' has to be escaped")
			}
			out = append(out, c)
			escape = false
		case c == '"':
			return nil, errors.New("Invalid unescaped double quote within content section.")
		default:
			out = append(out, c)
		}
	}
	if hex {
		return nil, fmt.Errorf("Invalid hex code assembly in content - %s.  Invalidating signature.", s)
	}
	if len(out) == 0 {
		return nil, errors.New("the content is empty")
	}
	return out, nil
}
