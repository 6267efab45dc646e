package detect

import "sentinel/detect/chain"

// Content is one content keyword with its modifiers, while a rule is built.
type Content struct {
	chain.Content
	RawBytes             bool
	Fast, FastOnly, Chop bool
	ChopOffset, ChopLen  int
}

// Relative reports whether the content's place depends on what matched before.
func (c *Content) Relative() bool { return c.HasDistance || c.HasWithin }

// FastData is the part of the content that the prefilter looks for.
func (c *Content) FastData() []byte {
	if c.Chop {
		return c.Data[c.ChopOffset : c.ChopOffset+c.ChopLen]
	}
	return c.Data
}

// Pattern is what the content looks for: in lower case where the case does not count.
func (c *Content) Pattern() []byte {
	if c.Nocase {
		return folded(c.Data)
	}
	return c.Data
}

// folded returns a copy in lower case. Only the letters of ASCII have a case: other bytes need not be text.
func folded(b []byte) []byte {
	out := append([]byte(nil), b...)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c | 0x20
		}
	}
	return out
}

// Strength is how selective a pattern is; see strength.
func Strength(pat []byte) int { return strength(pat) }

// strength is how selective a pattern is: each distinct byte counts by how rare its kind is.
func strength(pat []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range pat {
		switch {
		case seen[c]:
			n++
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			n += 3
		case c >= 0x20 && c < 0x7f || c == 0 || c == 1 || c == 0xff:
			n += 4
		default:
			n += 6
		}
		seen[c] = true
	}
	return n
}
