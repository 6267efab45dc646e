package jsonw

import (
	"encoding/base64"
	"math"
	"strconv"
)

// Builder collects one JSON text. The zero value is ready; Reset makes it ready again and keeps the
// buffer. Methods that take a key add a member to the open object; those that begin with Elem add an
// element to the open array, or the top value. Keys are written as they are: they must be constants of ours that
// need no escaping. A key from elsewhere goes through Key.
type Builder struct {
	buf   []byte
	stack []byte // closing brackets of what is open

	// CompressIPv6 writes IPv6 addresses as RFC 5952 says, and not as eight groups of four digits.
	CompressIPv6 bool
}

// Mark is a place to go back to.
type Mark struct{ size, depth int }

// Reset empties the builder.
func (b *Builder) Reset() { b.buf, b.stack = b.buf[:0], b.stack[:0] }

// Bytes returns the text so far. It is valid until the builder is used again.
func (b *Builder) Bytes() []byte { return b.buf }

// Len returns the size of the text so far.
func (b *Builder) Len() int { return len(b.buf) }

// Depth returns how many objects and arrays are open.
func (b *Builder) Depth() int { return len(b.stack) }

// Grow makes room for n more bytes.
func (b *Builder) Grow(n int) {
	if cap(b.buf)-len(b.buf) < n {
		buf := make([]byte, len(b.buf), len(b.buf)+n)
		copy(buf, b.buf)
		b.buf = buf
	}
}

// Mark returns the current place.
func (b *Builder) Mark() Mark { return Mark{len(b.buf), len(b.stack)} }

// Rollback drops everything since m was taken.
// Preconditions: the container that was open then has not been closed since.
func (b *Builder) Rollback(m Mark) {
	if m.size <= len(b.buf) && m.depth <= len(b.stack) {
		b.buf, b.stack = b.buf[:m.size], b.stack[:m.depth]
	}
}

// comma separates a value from the one before. A container's last byte tells whether there is one,
// as no value ends in an opening bracket, a colon or the end of a line.
func (b *Builder) comma() {
	if n := len(b.buf); n > 0 {
		switch b.buf[n-1] {
		case '{', '[', ':', '\n':
		default:
			b.buf = append(b.buf, ',')
		}
	}
}

func (b *Builder) key(k string) {
	b.comma()
	b.buf = append(b.buf, '"')
	b.buf = append(b.buf, k...)
	b.buf = append(b.buf, '"', ':')
}

// Key begins a member whose key is not a constant: it is escaped. An Elem or Start method must follow.
func (b *Builder) Key(k []byte) {
	b.comma()
	b.buf = append(AppendQuoted(b.buf, k), ':')
}

func (b *Builder) push(open byte) {
	b.buf = append(b.buf, open)
	b.stack = append(b.stack, open+2) // in ASCII, the closing bracket is two after the opening one
}

// OpenObject adds an object under a key and makes it the open container.
func (b *Builder) OpenObject(key string) {
	b.key(key)
	b.push('{')
}

// OpenArray adds an array under a key and makes it the open container.
func (b *Builder) OpenArray(key string) {
	b.key(key)
	b.push('[')
}

// StartObject adds an object as an element, or as the whole text.
func (b *Builder) StartObject() {
	b.comma()
	b.push('{')
}

// StartArray adds an array as an element, or as the whole text.
func (b *Builder) StartArray() {
	b.comma()
	b.push('[')
}

// Close closes the open container. With none open it does nothing.
func (b *Builder) Close() {
	if n := len(b.stack); n > 0 {
		b.buf = append(b.buf, b.stack[n-1])
		b.stack = b.stack[:n-1]
	}
}

// Newline ends a line of a log.
func (b *Builder) Newline() { b.buf = append(b.buf, '\n') }

// Str adds a string from bytes of any kind. See AppendQuoted.
func (b *Builder) Str(key string, v []byte) {
	b.key(key)
	b.buf = AppendQuoted(b.buf, v)
}

// ElemStr is Str for arrays.
func (b *Builder) ElemStr(v []byte) {
	b.comma()
	b.buf = AppendQuoted(b.buf, v)
}

// String adds a string.
func (b *Builder) String(key, v string) {
	b.key(key)
	b.buf = AppendQuoted(b.buf, v)
}

// ElemString is String for arrays.
func (b *Builder) ElemString(v string) {
	b.comma()
	b.buf = AppendQuoted(b.buf, v)
}

// StrLimited adds at most limit bytes of v, and says how many more there were.
func (b *Builder) StrLimited(key string, v []byte, limit int) {
	b.key(key)
	b.buf = appendLimited(b.buf, v, limit)
}

// ElemStrLimited is StrLimited for arrays.
func (b *Builder) ElemStrLimited(v []byte, limit int) {
	b.comma()
	b.buf = appendLimited(b.buf, v, limit)
}

// Printable adds bytes as text in which everything but printable ASCII, CR and LF is a dot, as
// payload_printable is.
func (b *Builder) Printable(key string, v []byte) {
	b.key(key)
	b.buf = appendPrintable(b.buf, v)
}

// Uint adds an unsigned number.
func (b *Builder) Uint(key string, v uint64) {
	b.key(key)
	b.buf = strconv.AppendUint(b.buf, v, 10)
}

// ElemUint is Uint for arrays.
func (b *Builder) ElemUint(v uint64) {
	b.comma()
	b.buf = strconv.AppendUint(b.buf, v, 10)
}

// Int adds a signed number.
func (b *Builder) Int(key string, v int64) {
	b.key(key)
	b.buf = strconv.AppendInt(b.buf, v, 10)
}

// ElemInt is Int for arrays.
func (b *Builder) ElemInt(v int64) {
	b.comma()
	b.buf = strconv.AppendInt(b.buf, v, 10)
}

// Float adds a number, in the fewest digits that give it back; NaN and infinities are null.
func (b *Builder) Float(key string, v float64) {
	b.key(key)
	b.float(v)
}

// ElemFloat is Float for arrays.
func (b *Builder) ElemFloat(v float64) {
	b.comma()
	b.float(v)
}

func (b *Builder) float(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		b.buf = append(b.buf, "null"...)
		return
	}
	b.buf = strconv.AppendFloat(b.buf, v, 'f', -1, 64)
}

// Bool adds true or false.
func (b *Builder) Bool(key string, v bool) {
	b.key(key)
	b.buf = strconv.AppendBool(b.buf, v)
}

// ElemBool is Bool for arrays.
func (b *Builder) ElemBool(v bool) {
	b.comma()
	b.buf = strconv.AppendBool(b.buf, v)
}

// Null adds null.
func (b *Builder) Null(key string) {
	b.key(key)
	b.buf = append(b.buf, "null"...)
}

// Raw adds a value that is JSON already.
// Preconditions: v is one whole JSON value.
func (b *Builder) Raw(key string, v []byte) {
	b.key(key)
	b.buf = append(b.buf, v...)
}

// ElemRaw is Raw for arrays.
func (b *Builder) ElemRaw(v []byte) {
	b.comma()
	b.buf = append(b.buf, v...)
}

// Members adds whole members, `"a":1,"b":2`, such as a part of an event that is kept ready.
// Preconditions: v is one or more whole members without a comma at either end, or empty.
func (b *Builder) Members(v []byte) {
	if len(v) > 0 {
		b.comma()
		b.buf = append(b.buf, v...)
	}
}

// Base64 adds bytes in standard base64 with padding.
func (b *Builder) Base64(key string, v []byte) {
	b.key(key)
	b.base64(v)
}

// ElemBase64 is Base64 for arrays.
func (b *Builder) ElemBase64(v []byte) {
	b.comma()
	b.base64(v)
}

func (b *Builder) base64(v []byte) {
	b.buf = append(b.buf, '"')
	b.buf = base64.StdEncoding.AppendEncode(b.buf, v)
	b.buf = append(b.buf, '"')
}

// Hex adds bytes as lower-case hex digits.
func (b *Builder) Hex(key string, v []byte) {
	b.key(key)
	b.hex(v)
}

// ElemHex is Hex for arrays.
func (b *Builder) ElemHex(v []byte) {
	b.comma()
	b.hex(v)
}

func (b *Builder) hex(v []byte) {
	b.buf = append(b.buf, '"')
	for _, c := range v {
		b.buf = append(b.buf, hexDigits[c>>4], hexDigits[c&15])
	}
	b.buf = append(b.buf, '"')
}

// HexColon adds bytes as lower-case hex digits with colons between them, as fingerprints and serial
// numbers are.
func (b *Builder) HexColon(key string, v []byte) {
	b.key(key)
	b.buf = append(b.buf, '"')
	for i, c := range v {
		if i > 0 {
			b.buf = append(b.buf, ':')
		}
		b.buf = append(b.buf, hexDigits[c>>4], hexDigits[c&15])
	}
	b.buf = append(b.buf, '"')
}

// IP adds an address of 4 or 16 bytes; any other length gives an empty string.
func (b *Builder) IP(key string, addr []byte) {
	b.key(key)
	b.ip(addr)
}

// ElemIP is IP for arrays.
func (b *Builder) ElemIP(addr []byte) {
	b.comma()
	b.ip(addr)
}

func (b *Builder) ip(addr []byte) {
	b.buf = append(b.buf, '"')
	b.buf = AppendIP(b.buf, addr, b.CompressIPv6)
	b.buf = append(b.buf, '"')
}

// Time adds a time in nanoseconds since 1970, as the clock spells it.
func (b *Builder) Time(key string, ns int64, c *Clock) {
	b.key(key)
	b.buf = append(b.buf, '"')
	b.buf = c.Append(b.buf, ns)
	b.buf = append(b.buf, '"')
}
