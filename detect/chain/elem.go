package chain

import "sentinel/detect/pcre"

// Elem is one condition of a chain, as parsed: a *Content, *Pcre, *ByteTest, *ByteJump, *ByteExtract,
// *ByteMath, *IsDataAt, *BSize or *Check.
type Elem interface{ elem() }

// Num is a number in a rule: written out, or the name of a variable that byte_extract or byte_math sets.
type Num struct {
	N   int64 // for unsigned values of 64 bits, their bits
	Var string
}

// Content is bytes to find.
type Content struct {
	Data    []byte
	Nocase  bool
	Negated bool

	StartsWith, EndsWith                        bool
	HasOffset, HasDepth, HasDistance, HasWithin bool
	Offset, Depth, Distance, Within             Num // Depth counts from Offset, as written

	// Replace, if not empty, is as long as Data; where it belongs is in Ctx.Replacements after a match.
	Replace []byte
}

// Pcre is a regular expression.
type Pcre struct {
	Re       *pcre.Regexp
	Negated  bool
	Relative bool
	Captures []pcre.Capture // what it captures is in Ctx.Captured after a match
}

// Op is an operator of byte_test or byte_math.
type Op uint8

// The operators.
const (
	Equal Op = iota + 1
	Less
	Greater
	LessEqual
	GreaterEqual
	And
	Xor
	Add
	Subtract
	Divide
	Multiply
	ShiftLeft
	ShiftRight
)

// Format says how bytes make a number.
type Format struct {
	String bool  // digits in ASCII, in Base
	Base   uint8 // 0: told by a prefix 0 or 0x, as in C
	Little bool
	DCE    bool // as the DCERPC header says
}

// ByteTest compares a number in the buffer.
type ByteTest struct {
	Format
	Bytes      Num
	Negated    bool
	Op         Op
	Value      Num // unsigned
	Offset     Num
	Relative   bool
	HasBitmask bool
	Bitmask    uint32
}

// ByteJump moves the position by a number in the buffer.
type ByteJump struct {
	Format
	Bytes      Num
	Offset     Num
	Relative   bool
	Align      bool // up to a multiple of four
	FromBegin  bool
	FromEnd    bool
	Multiplier uint16
	PostOffset int32
	HasBitmask bool
	Bitmask    uint32
}

// ByteExtract puts a number in the buffer into a variable.
type ByteExtract struct {
	Format
	Bytes      uint8
	Offset     int32
	Name       string
	Relative   bool
	Align      uint8 // 2 or 4, or 0
	Multiplier uint16
}

// ByteMath computes with a number in the buffer and puts the result into a variable.
type ByteMath struct {
	Format
	Bytes      Num
	Offset     int32
	Op         Op
	Value      Num // unsigned
	Name       string
	Relative   bool
	HasBitmask bool
	Bitmask    uint32
}

// IsDataAt tests whether the buffer reaches a position.
type IsDataAt struct {
	At       Num
	Negated  bool
	Relative bool
}

// Check is a condition of another package that has its place in the chain.
type Check struct {
	Checker Checker
}

// Checker decides about a buffer; pos is where the last match ended. It must be safe for concurrent use.
type Checker interface {
	Check(data []byte, pos int) Verdict
}

// Capturer is a Checker that notes something when its condition is true: what CheckCapture returns is in Ctx.Captured after a match
// of the whole chain, unless its Capture is nil. Check is not called then.
type Capturer interface {
	Checker
	CheckCapture(data []byte, pos int) (Verdict, Captured)
}

// Verdict is what a condition says.
type Verdict int8

// The verdicts.
const (
	NoMatch Verdict = 0  // but it may, after another hit of an earlier condition
	Match   Verdict = 1  // go on
	GiveUp  Verdict = -1 // no earlier hit can change that
)

func (*Content) elem()     {}
func (*Pcre) elem()        {}
func (*ByteTest) elem()    {}
func (*ByteJump) elem()    {}
func (*ByteExtract) elem() {}
func (*ByteMath) elem()    {}
func (*IsDataAt) elem()    {}
func (*BSize) elem()       {}
func (*Check) elem()       {}
