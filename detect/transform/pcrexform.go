package transform

import (
	"sync"

	"sentinel/detect/pcre"
)

// matchers are shared by transforms: they are few, and an expression needs one only while it runs.
var matchers = sync.Pool{New: func() any {
	m, err := pcre.NewMatcher(pcre.DefaultLimits)
	if err != nil {
		return (*pcre.Matcher)(nil)
	}
	return m
}}

// pcrexform replaces the buffer by the first group of an expression.
func pcrexform() Keyword {
	return Keyword{Name: "pcrexform", Doc: "modify buffer via PCRE before inspection", Quoted: true, Setup: func(o string) (Transform, error) {
		re, err := pcre.Compile(o, 0)
		if err != nil {
			return Transform{}, err
		}
		if re.Groups() != 1 {
			return Transform{}, invalid("pcrexform needs exactly one captured group")
		}
		return Transform{Apply: func(dst, src []byte) []byte {
			m, _ := matchers.Get().(*pcre.Matcher)
			if m == nil {
				return src
			}
			defer matchers.Put(m)
			if _, _, ok := re.Match(src, 0, m); !ok {
				return src
			}
			if g := m.Group(1); g != nil {
				return append(dst, g...)
			}
			return src
		}}, nil
	}}
}
