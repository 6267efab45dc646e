package transform

import (
	"runtime"
	"sync"

	"sentinel/detect/pcre"
)

// matcher is a pcre.Matcher that frees its memory outside the Go heap when the pool drops it.
type matcher struct{ *pcre.Matcher }

// matchers are shared by transforms: they are few, and an expression needs one only while it runs.
var matchers = sync.Pool{New: func() any {
	x, err := pcre.NewMatcher(pcre.DefaultLimits)
	if err != nil {
		return (*matcher)(nil)
	}
	m := &matcher{x}
	runtime.AddCleanup(m, func(x *pcre.Matcher) { x.Close() }, x)
	return m
}}

// pcrexform replaces the buffer by the first group of an expression.
func pcrexform() Keyword {
	return Keyword{Name: "pcrexform", Doc: "modify buffer via PCRE before inspection", MustQuote: true, Setup: func(o string) (Transform, error) {
		re, err := pcre.Compile(o, 0)
		if err != nil {
			return Transform{}, err
		}
		if re.Groups() != 1 {
			return Transform{}, invalid("pcrexform needs exactly one captured group")
		}
		return Transform{Apply: func(dst, src []byte) []byte {
			m, _ := matchers.Get().(*matcher)
			if m == nil {
				return src
			}
			defer matchers.Put(m)
			if _, _, ok := re.Match(src, 0, m.Matcher); !ok {
				return src
			}
			if g := m.Group(1); g != nil {
				return append(dst, g...)
			}
			return src
		}}, nil
	}}
}
