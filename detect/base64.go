package detect

import (
	"sync"

	"sentinel/detect/chain"
	"sentinel/detect/pcre"
	"sentinel/detect/transform"
)

// base64Check decodes a part of the buffer and looks at the result with the conditions that follow base64_data.
type base64Check struct {
	bytes, offset int
	relative      bool
	inner         *chain.Program // nil = no base64_data: never true
}

// base64Work is what one check needs while it runs.
type base64Work struct {
	buf []byte
	ctx *chain.Ctx
}

var base64Pool = sync.Pool{New: func() any {
	m, _ := pcre.NewMatcher(pcre.DefaultLimits)
	return &base64Work{buf: make([]byte, 0, 4096), ctx: chain.NewCtx(m)}
}}

// Check implements chain.Checker.
func (b *base64Check) Check(data []byte, pos int) chain.Verdict {
	if b.inner == nil {
		return chain.NoMatch
	}
	if b.relative {
		if pos > len(data) {
			return chain.NoMatch
		}
		data = data[pos:]
	}
	if b.offset > 0 {
		if b.offset >= len(data) {
			return chain.NoMatch
		}
		data = data[b.offset:]
	}
	if len(data) > b.bytes {
		data = data[:b.bytes]
	}
	w := base64Pool.Get().(*base64Work)
	defer base64Pool.Put(w)
	w.buf = transform.DecodeBase64(w.buf[:0], data, transform.RFC4648)
	if len(w.buf) > 0 && b.inner.Match(w.ctx, w.buf, 0, chain.End) {
		return chain.Match
	}
	return chain.NoMatch
}

// maxBase64 is how many bytes base64_decode looks at.
const maxBase64 = 1<<16 - 1

// Base64 adds what base64_decode does to the selected buffer.
func (b *Builder) Base64(bytes, offset int, relative bool) error {
	if b.base64check != nil {
		return problem("only one base64_decode is possible in a rule")
	}
	if bytes == 0 || bytes > maxBase64 {
		bytes = maxBase64
	}
	b.base64check = &base64Check{bytes: bytes, offset: offset, relative: relative}
	return b.Elem(&chain.Check{Checker: b.base64check})
}

// AfterBase64 reports whether conditions go to what base64_decode decoded.
func (b *Builder) AfterBase64() bool { return b.base64 }

// Base64Data selects what base64_decode decoded, to the end of the rule.
func (b *Builder) Base64Data() error {
	if b.base64check == nil {
		return problem("\"base64_data\" keyword seen without preceding base64_decode.")
	}
	if err := b.leave(); err != nil {
		return err
	}
	if b.base64use == nil {
		b.base64use = &bufferUse{}
	}
	b.cur, b.base64 = b.base64use, true
	return nil
}

// base64Program compiles the conditions that follow base64_data.
func (b *Builder) base64Program() error {
	if b.base64use == nil {
		return nil
	}
	if len(b.base64use.items) == 0 {
		return problem("base64_data has no matches")
	}
	for _, x := range b.base64use.items {
		if x.content != nil && x.content.Fast {
			return problem("fast_pattern cannot be used with base64_data")
		}
	}
	p, err := b.program(b.base64use)
	if err == nil {
		b.base64check.inner = p.chain
	}
	return err
}
