package chain

import (
	"errors"
	"fmt"
	"math"

	"sentinel/detect/pcre"
)

// MaxVars is how many variables a rule can set.
const MaxVars = 64

// Vars names the variables of one rule. All chains of a rule share one, because a variable that one
// buffer sets can be used in another; they are compiled in the order of the rule.
type Vars struct {
	names []string
}

// set makes a variable. One of a name that is there already is another, which is never read, as in
// Suricata.
func (v *Vars) set(name string) (uint8, error) {
	if len(v.names) >= MaxVars {
		return 0, errors.New("the rule sets more than 64 variables")
	}
	v.names = append(v.names, name)
	return uint8(len(v.names) - 1), nil
}

func (v *Vars) get(name string) (uint8, error) {
	for i, n := range v.names {
		if n == name {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("the variable %q is not set before", name)
}

// Options are how a chain is compiled.
type Options struct {
	// Sticky says that the conditions follow a sticky buffer. Then "relative" binds to the last
	// content or pcre, else to the last condition of any kind.
	Sticky bool
}

// Program is a compiled chain. It is immutable and workers share it.
type Program struct {
	ops []op
}

type kind uint8

const (
	kindContent kind = iota
	kindPcre
	kindByteTest
	kindByteJump
	kindByteExtract
	kindByteMath
	kindIsDataAt
	kindBSize
	kindCheck
	kindCapture
)

// op is one condition, compiled. Only the pointer of its kind is set.
type op struct {
	kind    kind
	content *content
	pcre    *expression
	byteOp  *byteOp
	at      *dataAt
	size    *BSize
	check   Checker
	capture Capturer
}

// operand is a number or a variable.
type operand struct {
	n     uint64
	index uint8
	isVar bool
}

func (o operand) value(vars *[MaxVars]uint64) uint64 {
	if o.isVar {
		return vars[o.index%MaxVars]
	}
	return o.n
}

type content struct {
	find                     finder
	size                     uint32
	negated, endsWith        bool
	hasDistance, hasWithin   bool
	hasOffset, hasDepth      bool
	offset, depth            operand // depth counts from the start, unless one of them is a variable
	distance, within         operand
	floor                    uint32 // least start of a relative content
	withinNext, distanceNext bool   // a later condition is relative to this one
	replace                  []byte
}

// single says that nothing ties the content to a place or to others.
func (c *content) single() bool {
	return !(c.hasDistance || c.hasWithin || c.withinNext || c.distanceNext || c.hasDepth || c.hasOffset)
}

type expression struct {
	re                *pcre.Regexp
	negated, relative bool
	relativeNext      bool
	captures          []pcre.Capture
}

// byteOp is any of the conditions that read a number.
type byteOp struct {
	Format
	bytes, offset, value operand
	relative, negated    bool
	op                   Op
	hasBitmask           bool
	bitmask              uint64
	shift                uint8
	align                uint8
	multiplier           uint64
	postOffset           int64
	fromBegin, fromEnd   bool
	target               uint8 // variable
}

type dataAt struct {
	at                operand
	negated, relative bool
}

// compiler is the state of compiling one chain.
type compiler struct {
	Options
	vars *Vars
	ops  []op
	last int // the last content or pcre, or -1
}

// Compile makes a program of the conditions of one buffer, in the order of the rule.
func Compile(elems []Elem, vars *Vars, o Options) (*Program, error) {
	c := compiler{Options: o, vars: vars, ops: make([]op, 0, len(elems)), last: -1}
	for _, e := range elems {
		if err := c.add(e); err != nil {
			return nil, err
		}
	}
	if len(c.ops) == 0 {
		return nil, errors.New("the chain is empty")
	}
	if x := c.ops[0].content; x != nil {
		x.absolute()
	}
	return &Program{c.ops}, nil
}

func (c *compiler) add(e Elem) error {
	switch e := e.(type) {
	case *Content:
		return c.addContent(e)
	case *Pcre:
		if e.Re == nil {
			return errors.New("the expression is not compiled")
		}
		if e.Relative {
			if c.last < 0 && !c.Sticky {
				return errors.New("the modifier R needs a match before it in the same buffer")
			}
			c.bindLast()
		}
		c.ops = append(c.ops, op{kind: kindPcre, pcre: &expression{re: e.Re, negated: e.Negated, relative: e.Relative, captures: e.Captures}})
		c.last = len(c.ops) - 1
	case *ByteTest:
		b, err := c.byteOp(e.Format, e.Bytes, e.Offset, e.Value, e.Relative)
		if err != nil {
			return err
		}
		b.negated, b.op = e.Negated, e.Op
		b.mask(e.HasBitmask, e.Bitmask)
		c.ops = append(c.ops, op{kind: kindByteTest, byteOp: b})
	case *ByteJump:
		b, err := c.byteOp(e.Format, e.Bytes, e.Offset, Num{}, e.Relative)
		if err != nil {
			return err
		}
		b.mask(e.HasBitmask, e.Bitmask)
		b.multiplier, b.postOffset = uint64(e.Multiplier), int64(e.PostOffset)
		b.fromBegin, b.fromEnd = e.FromBegin, e.FromEnd
		if e.Align {
			b.align = 4
		}
		c.ops = append(c.ops, op{kind: kindByteJump, byteOp: b})
	case *ByteExtract:
		b, err := c.byteOp(e.Format, Num{N: int64(e.Bytes)}, Num{N: int64(e.Offset)}, Num{}, e.Relative)
		if err != nil {
			return err
		}
		if b.target, err = c.vars.set(e.Name); err != nil {
			return err
		}
		b.align, b.multiplier = e.Align, uint64(e.Multiplier)
		c.ops = append(c.ops, op{kind: kindByteExtract, byteOp: b})
	case *ByteMath:
		b, err := c.byteOp(e.Format, e.Bytes, Num{N: int64(e.Offset)}, e.Value, e.Relative)
		if err != nil {
			return err
		}
		if b.target, err = c.vars.set(e.Name); err != nil {
			return err
		}
		b.op = e.Op
		b.mask(e.HasBitmask, e.Bitmask)
		c.ops = append(c.ops, op{kind: kindByteMath, byteOp: b})
	case *IsDataAt:
		return c.addIsDataAt(e)
	case *BSize:
		z := *e
		c.ops = append(c.ops, op{kind: kindBSize, size: &z})
	case *Check:
		if e.Checker == nil {
			return errors.New("the check is empty")
		}
		if x, ok := e.Checker.(Capturer); ok {
			c.ops = append(c.ops, op{kind: kindCapture, capture: x})
			break
		}
		c.ops = append(c.ops, op{kind: kindCheck, check: e.Checker})
	default:
		return fmt.Errorf("unknown condition %T", e)
	}
	return nil
}

// bind tells the condition that a relative one depends on.
func (c *compiler) bind() {
	if c.Sticky || !c.between() {
		c.bindLast()
	}
}

// bindLast tells the last content or pcre that it is depended on.
func (c *compiler) bindLast() {
	if c.last < 0 {
		return
	}
	if o := &c.ops[c.last]; o.pcre != nil {
		o.pcre.relativeNext = true
	} else {
		o.content.withinNext, o.content.distanceNext = true, true
	}
}

// between reports whether a condition with a position follows the last content or pcre.
func (c *compiler) between() bool {
	for _, o := range c.ops[c.last+1:] {
		if o.kind >= kindByteTest && o.kind <= kindIsDataAt {
			return true
		}
	}
	return false
}

func (c *compiler) operand(n Num) (operand, error) {
	if n.Var == "" {
		return operand{n: uint64(n.N)}, nil
	}
	i, err := c.vars.get(n.Var)
	return operand{index: i, isVar: true}, err
}

func (c *compiler) addContent(e *Content) error {
	if len(e.Data) == 0 || len(e.Data) > math.MaxUint16 {
		return errors.New("a content has 1 to 65535 bytes")
	}
	size := int64(len(e.Data))
	x := &content{find: newFinder(e.Data, e.Nocase), size: uint32(size), negated: e.Negated, endsWith: e.EndsWith,
		hasOffset: e.HasOffset, hasDepth: e.HasDepth, hasDistance: e.HasDistance, hasWithin: e.HasWithin}
	if (e.HasOffset || e.HasDepth || e.StartsWith) && (e.HasDistance || e.HasWithin) {
		return errors.New("distance and within exclude offset, depth and startswith for the same content")
	}
	if e.StartsWith && (e.HasOffset || e.HasDepth) {
		return errors.New("startswith excludes offset and depth for the same content")
	}
	for _, n := range [...]struct {
		has         bool
		num         Num
		to          *operand
		least, most int64
		name        string
	}{
		{e.HasOffset, e.Offset, &x.offset, 0, MaxOffset, "offset"},
		{e.HasDepth, e.Depth, &x.depth, size, MaxOffset, "depth"},
		{e.HasDistance, e.Distance, &x.distance, -MaxDistance, MaxDistance, "distance"},
		{e.HasWithin, e.Within, &x.within, size, MaxDistance, "within"},
	} {
		if !n.has {
			continue
		}
		if n.num.Var == "" && (n.num.N < n.least || n.num.N > n.most) {
			return fmt.Errorf("%s %d is not between %d and %d, the content having %d bytes", n.name, n.num.N, n.least, n.most, size)
		}
		var err error
		if *n.to, err = c.operand(n.num); err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	if e.StartsWith {
		x.hasDepth, x.depth = true, operand{n: uint64(size)}
	}
	if x.hasDepth && !x.depth.isVar && !x.offset.isVar {
		x.depth.n += x.offset.n
	}
	if len(e.Replace) > 0 {
		if e.Negated || len(e.Replace) != len(e.Data) {
			return errors.New("the replacement must be as long as the content, which must not be negated")
		}
		x.replace = append([]byte(nil), e.Replace...)
	}
	if c.last >= 0 && (x.hasDistance || x.hasWithin) {
		if o := &c.ops[c.last]; o.pcre != nil {
			o.pcre.relativeNext = true
		} else {
			o.content.withinNext = o.content.withinNext || x.hasWithin || x.hasDistance && x.negated
			o.content.distanceNext = o.content.distanceNext || x.hasDistance
		}
	}
	// Suricata takes a negated content for one that was found at the start, when it works out where
	// the content after it can be.
	if n := len(c.ops); n > 0 && x.hasDistance && !x.negated && !x.distance.isVar {
		if p := c.ops[n-1].content; p != nil && p.negated && !(p.hasDistance || p.hasWithin || p.hasDepth || p.hasOffset) {
			x.floor = uint32(max(0, int64(p.size)+int64(x.distance.n)))
		}
	}
	c.ops = append(c.ops, op{kind: kindContent, content: x})
	c.last = len(c.ops) - 1
	return nil
}

// absolute turns the distance and within of a chain's first content into offset and depth: there is
// nothing that they could be relative to.
func (c *content) absolute() {
	d, w := int64(c.distance.n), int64(c.within.n)
	if c.distance.isVar || c.within.isVar || d < 0 || d > math.MaxUint16 || w < 0 || w > math.MaxUint16 {
		return
	}
	if c.hasDistance {
		c.hasDistance = false
		c.hasOffset = d > 0
		c.offset = operand{n: uint64(d)}
	}
	if c.hasWithin {
		c.hasWithin = false
		c.hasDepth = true
		c.depth = operand{n: uint64(w) + c.offset.n}
	}
}

func (c *compiler) addIsDataAt(e *IsDataAt) error {
	at, err := c.operand(e.At)
	if err != nil {
		return err
	}
	if e.Relative {
		// isdataat:!1,relative after a content is endswith.
		if x := c.bindEnd(e); x != nil {
			x.endsWith = true
			return nil
		}
		c.bind()
	}
	c.ops = append(c.ops, op{kind: kindIsDataAt, at: &dataAt{at, e.Negated, e.Relative}})
	return nil
}

func (c *compiler) bindEnd(e *IsDataAt) *content {
	if !e.Negated || e.At.Var != "" || e.At.N != 1 || c.last < 0 || !c.Sticky && c.between() {
		return nil
	}
	return c.ops[c.last].content
}

func (c *compiler) byteOp(f Format, bytes, offset, value Num, relative bool) (*byteOp, error) {
	b := &byteOp{Format: f, relative: relative, multiplier: 1}
	var err error
	for _, n := range [...]struct {
		num Num
		to  *operand
	}{{bytes, &b.bytes}, {offset, &b.offset}, {value, &b.value}} {
		if *n.to, err = c.operand(n.num); err != nil {
			return nil, err
		}
	}
	if relative {
		c.bind()
	}
	return b, nil
}

func (b *byteOp) mask(has bool, m uint32) {
	b.hasBitmask, b.bitmask, b.shift = has, uint64(m), shift(m)
}
