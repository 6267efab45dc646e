package chain

import (
	"math"

	"sentinel/detect/pcre"
)

// Flags describe a buffer.
type Flags uint8

// The flags.
const (
	End       Flags = 1 << iota // nothing will follow
	DCELittle                   // the DCERPC header says that numbers are little-endian
	DCEBig                      // or big-endian
)

const (
	// DefaultLimit is how many conditions one Match tries.
	DefaultLimit = 3000
	// hardLimit bounds it where the configuration does not.
	hardLimit = 1 << 20
	// maxResults bounds Replacements and Captured.
	maxResults = 64
)

// Replacement is where a content with a replacement was found.
type Replacement struct {
	At   int
	With []byte
}

// Captured is what a named group of an expression holds, or what a Capturer noted.
type Captured struct {
	Capture    *pcre.Capture
	Key, Value []byte // parts of the buffer; Key is for PktKeyValue only. Of AlertJSON the value is not of the buffer
}

// Ctx is the state of matching. One worker owns it; it is reused.
type Ctx struct {
	Vars  [MaxVars]uint64 // of the rule being judged; stay from one of its buffers to the next
	Pcre  *pcre.Matcher   // needed if a program has expressions
	Limit int             // conditions tried a Match; 0 is the default, less than 0 as many as we bear

	// Results of the last Match, if it was true. They name parts of its buffer.
	Replacements []Replacement
	Captured     []Captured

	Exhausted uint64 // how often the limit was met

	ops    []op
	data   []byte
	stream uint64
	flags  Flags
	left   int
	pos    uint32 // where the last match ended
	next   uint32 // where an expression looks for its next match, or 0
}

// NewCtx returns a context with room for results.
func NewCtx(m *pcre.Matcher) *Ctx {
	return &Ctx{Pcre: m, Replacements: make([]Replacement, 0, maxResults), Captured: make([]Captured, 0, maxResults)}
}

// Match reports whether the buffer satisfies the chain. The buffer is a window that begins at stream of
// what is inspected as a whole. A buffer that is nil does not exist and satisfies nothing; one that is
// empty may.
func (p *Program) Match(c *Ctx, data []byte, stream uint64, flags Flags) bool {
	if data == nil || uint64(len(data)) > math.MaxInt32 {
		return false
	}
	c.ops, c.data, c.stream, c.flags = p.ops, data, stream, flags
	c.pos, c.next = 0, 0
	c.Replacements, c.Captured = c.Replacements[:0], c.Captured[:0]
	switch {
	case c.Limit == 0:
		c.left = DefaultLimit
	case c.Limit < 0 || c.Limit > hardLimit:
		c.left = hardLimit
	default:
		c.left = c.Limit
	}
	v := c.match(0)
	c.data = nil
	return v == Match
}

// match tries condition i and those after it. Calls nest as deep as there are conditions.
func (c *Ctx) match(i int) Verdict {
	// The limit counts the condition that meets it, as Suricata's does.
	if c.left--; c.left <= 0 {
		c.Exhausted++
		return GiveUp
	}
	o := &c.ops[i]
	if o.byteOp != nil && o.byteOp.DCE && c.flags&(DCELittle|DCEBig) == 0 {
		return GiveUp // this is no DCERPC message
	}
	v := NoMatch
	switch o.kind {
	case kindContent:
		return c.content(o.content, i)
	case kindPcre:
		return c.expression(o.pcre, i)
	case kindByteTest:
		v = c.byteTest(o.byteOp)
	case kindByteJump:
		v = c.byteJump(o.byteOp)
	case kindByteExtract:
		v = c.byteExtract(o.byteOp)
	case kindByteMath:
		v = c.byteMath(o.byteOp)
	case kindIsDataAt:
		v = c.isDataAt(o.at)
	case kindBSize:
		v = o.size.check(uint64(len(c.data))+c.stream, c.flags&End != 0)
	case kindCheck:
		v = o.check.Check(c.data, int(c.pos))
	case kindCapture:
		var r Captured
		if v, r = o.capture.CheckCapture(c.data, int(c.pos)); v == Match && r.Capture != nil {
			c.keep(r)
		}
	}
	if v != Match {
		return v
	}
	return c.rest(i)
}

// rest tries what follows condition i.
func (c *Ctx) rest(i int) Verdict {
	if i == len(c.ops)-1 {
		return Match
	}
	return c.match(i + 1)
}

// window returns where a content may be. Its arithmetic wraps where Suricata's does, because values
// come from the wire. ok is false if the window lies in what is gone already.
func (c *Ctx) window(x *content, prev uint32) (from, to uint32, ok bool) {
	size := uint32(len(c.data))
	to = size
	if x.hasDistance || x.hasWithin {
		from = prev
		var distance int32
		if x.hasDistance {
			distance = int32(uint32(x.distance.value(&c.Vars)))
			if distance < 0 && uint32(-int64(distance)) > from {
				from = 0
			} else {
				from += uint32(distance)
			}
		}
		if x.hasWithin {
			end := uint32(uint64(prev) + x.within.value(&c.Vars) + uint64(int64(distance)))
			if int32(to) > int32(end) {
				to = end
			}
			if c.stream != 0 && prev == 0 {
				if to, ok = c.shifted(to, size); !ok {
					return 0, 0, false
				}
			}
		}
		return max(from, x.floor), min(to, size), true
	}
	if x.hasDepth {
		to = uint32(x.depth.value(&c.Vars))
		if c.stream != 0 {
			if to, ok = c.shifted(to, size); !ok {
				return 0, 0, false
			}
		}
	}
	from = uint32(x.offset.value(&c.Vars))
	if x.offset.isVar || x.depth.isVar {
		to += from
	}
	return from, min(to, size), true
}

// shifted turns an end counted from the start of the stream into one in the window.
func (c *Ctx) shifted(to, size uint32) (uint32, bool) {
	switch {
	case uint64(to) <= c.stream:
		return 0, false
	case uint64(to) >= c.stream+uint64(size):
		return to, true
	}
	return uint32(uint64(to) - c.stream), true
}

func (c *Ctx) content(x *content, i int) Verdict {
	relative := x.hasDistance || x.hasWithin
	from, to, ok := c.window(x, c.pos)
	if !ok {
		return NoMatch
	}
	size := uint32(len(c.data))
	if from > to || to == 0 {
		// Beyond the window nothing can be, which is what a negation asks for.
		if x.negated {
			return c.rest(i)
		}
		return NoMatch
	}
	if x.negated {
		return c.absent(x, i, from, to)
	}
	if x.endsWith && to == size && size >= x.size {
		from = max(from, size-x.size) // no other hit counts
	}
	results := len(c.Replacements)
	for {
		at := -1
		if from <= to && !(x.endsWith && to < size) {
			at = x.find.index(c.data[from:to])
		}
		if at < 0 {
			if !relative {
				return GiveUp
			}
			return NoMatch
		}
		at += int(from)
		c.pos = uint32(at) + x.size
		if !x.endsWith || c.pos == size {
			c.Replacements = c.Replacements[:results]
			if x.replace != nil && results < maxResults {
				c.Replacements = append(c.Replacements, Replacement{at, x.replace})
			}
			v := c.rest(i)
			if v != NoMatch {
				return v
			}
			if !x.withinNext { // a later hit leaves less room for the others
				return GiveUp
			}
		}
		from = uint32(at) + 1
	}
}

// absent is content for a negated one.
func (c *Ctx) absent(x *content, i int, from, to uint32) Verdict {
	at := -1
	if !(x.endsWith && to < uint32(len(c.data))) {
		at = x.find.index(c.data[from:to])
	}
	if at < 0 {
		return c.rest(i)
	}
	// Only the first hit is looked at, and its end is compared with the window's length, as Suricata
	// does.
	if x.endsWith && to-from != from+uint32(at)+x.size {
		return c.rest(i)
	}
	if x.single() {
		return GiveUp
	}
	return NoMatch
}

func (c *Ctx) expression(x *expression, i int) Verdict {
	if c.Pcre == nil {
		return NoMatch
	}
	base := c.pos
	c.next = 0
	for {
		data, start, shift := c.data, int(c.next), uint32(0)
		if x.relative {
			if base > uint32(len(data)) {
				return NoMatch
			}
			data, shift = data[base:], base
			if c.next != 0 {
				start -= int(base)
			}
		}
		errs := c.Pcre.Errors
		from, to, ok := x.re.Match(data, start, c.Pcre)
		switch {
		case ok == x.negated, c.Pcre.Errors != errs:
			return NoMatch
		case ok:
			c.capture(x)
			c.pos = shift + uint32(to)
			c.next = shift + uint32(from) + 1
		}
		if !x.relativeNext || i == len(c.ops)-1 {
			return c.rest(i)
		}
		next := c.next
		if v := c.match(i + 1); v != NoMatch {
			return v
		}
		if next == 0 { // a negated one has no other match
			return NoMatch
		}
		c.pos, c.next = base, next
	}
}

// capture notes the named groups of the last match. A group captured again replaces what it held.
func (c *Ctx) capture(x *expression) {
	for k := range x.captures {
		p := &x.captures[k]
		r := Captured{Capture: p, Value: c.Pcre.Group(p.Group)}
		if p.Scope == pcre.PktKeyValue {
			r.Key, r.Value = r.Value, c.Pcre.Group(p.Group+1)
			if r.Key == nil {
				continue
			}
		}
		if r.Value == nil {
			continue
		}
		c.keep(r)
	}
}

// keep notes what was captured, in place of what the same capture held.
func (c *Ctx) keep(r Captured) {
	for j := range c.Captured {
		if c.Captured[j].Capture == r.Capture {
			c.Captured[j] = r
			return
		}
	}
	if len(c.Captured) < maxResults {
		c.Captured = append(c.Captured, r)
	}
}

func (c *Ctx) isDataAt(x *dataAt) Verdict {
	at := x.at.value(&c.Vars)
	there := false
	switch {
	case x.at.isVar && at >= 100000000: // no buffer is that long
	case x.relative:
		there = uint64(c.pos)+at <= uint64(len(c.data))
	default:
		there = at < uint64(len(c.data))
	}
	switch {
	case there != x.negated:
		return Match
	case x.at.isVar:
		return NoMatch
	case x.relative && x.negated: // a later hit leaves less data
		return NoMatch
	}
	return GiveUp
}
