package analysis

import (
	"strings"

	"sentinel/detect"
)

const upperHex = "0123456789ABCDEF"

// finalOf is the part of a pattern that is looked for first.
func finalOf(c *detect.Content) []byte {
	p := c.Pattern()
	if c.Chop {
		return p[c.ChopOffset : c.ChopOffset+c.ChopLen]
	}
	return p
}

// ruleForm writes a pattern as in a rule: "GET|20 2F|".
func ruleForm(p []byte) string {
	var b strings.Builder
	hex := false
	for _, c := range p {
		if c < 0x20 || c > 0x7e || strings.IndexByte("/;:\\ |\"`'", c) >= 0 {
			sep := byte('|')
			if hex {
				sep = ' '
			}
			b.WriteByte(sep)
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
			hex = true
			continue
		}
		if hex {
			b.WriteByte('|')
		}
		b.WriteByte(c)
		hex = false
	}
	if hex {
		b.WriteByte('|')
	}
	return b.String()
}

// textForm writes a pattern for the text reports: what cannot be printed as "\x0D".
func textForm(p []byte) string {
	var b strings.Builder
	for _, c := range p {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c >= 0x20 && c < 0x7f && c != '"':
			b.WriteByte(c)
		default:
			b.WriteString(`\x`)
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// encoded reports whether a pattern has percent encoding.
func encoded(p []byte) bool {
	for i := 0; i+2 < len(p); i++ {
		if p[i] == '%' && isHex(p[i+1]) && isHex(p[i+2]) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// depthOf is how far into the buffer a content may reach, as reports give it: counted from the begin.
func depthOf(c *detect.Content) (n int64, ok bool) {
	switch {
	case c.StartsWith:
		return int64(len(c.Data)), true
	case c.HasDepth && c.HasOffset:
		return c.Depth.N + c.Offset.N, true
	}
	return c.Depth.N, c.HasDepth
}
