package http2

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

// blockKind says what a header block's entry is.
type blockKind uint8

const (
	blockField    blockKind = iota
	blockSize               // a change of the table's size
	blockBadIndex           // an index beyond the tables
	blockOverflow           // an integer beyond 64 bits
	blockIndex0
)

// block is one entry of a header block. Names and values are shared with the dynamic table and must not be changed.
type block struct {
	kind        blockKind
	name, value []byte
	id          uint32 // of the name's memory: fields that took it from the same place have the same
	size        uint64
}

// static is HPACK's static table (RFC 7541, appendix A).
var static = [...][2]string{
	{}, {":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"},
	{":scheme", "http"}, {":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"},
	{":status", "304"}, {":status", "400"}, {":status", "404"}, {":status", "500"}, {"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"}, {"accept-language", ""}, {"accept-ranges", ""}, {"accept", ""},
	{"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""}, {"cache-control", ""},
	{"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""},
	{"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""},
	{"if-none-match", ""}, {"if-range", ""}, {"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""},
	{"location", ""}, {"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""},
	{"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
	{"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""},
	{"www-authenticate", ""},
}

var staticBytes = func() (t [len(static)][2][]byte) {
	for i, s := range static {
		t[i] = [2][]byte{[]byte(s[0]), []byte(s[1])}
	}
	return
}()

// table is a direction's dynamic table. It is lenient: what the peers agreed on may be unknown.
type table struct {
	entries []block // oldest first, from head
	head    int
	size    uint64
	max     uint64
	limit   uint64 // of the configuration: beyond it the first entries are kept, as far as they fit
	over    uint8  // 1 = the peers may use more than the limit, 2 = they did
	ids     uint32
	heap    arena
}

const defaultTable = 4096

func (t *table) reset(limit uint64) {
	clear(t.entries)
	*t = table{entries: t.entries[:0], max: defaultTable, limit: limit}
}

// arena hands out memory for names and values in pieces of larger chunks, which the garbage collector takes back when no
// piece is used any more.
type arena struct{ free []byte }

func (a *arena) grab(n int) []byte {
	if n > len(a.free) {
		if n > 1024 {
			return make([]byte, n)
		}
		a.free = make([]byte, 4096)
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

func (t *table) len() int { return len(t.entries) - t.head }

func (t *table) evict(max uint64) {
	for t.size > max && t.len() > 0 {
		e := &t.entries[t.head]
		t.size -= min(t.size, 32+uint64(len(e.name)+len(e.value)))
		*e = block{}
		t.head++
	}
	if t.head > 64 && t.head*2 > len(t.entries) {
		n := copy(t.entries, t.entries[t.head:])
		clear(t.entries[n:])
		t.entries, t.head = t.entries[:n], 0
	}
}

func (t *table) insert(b block) {
	t.size += 32 + uint64(len(b.name)+len(b.value))
	switch {
	case t.over == 0:
		t.entries = append(t.entries, b)
	case t.over == 1 && t.size <= t.limit:
		t.entries = append(t.entries, b)
	case t.over == 1 && t.size > t.max:
		t.over = 2 // entries were replaced that were not kept
	}
	t.evict(t.max)
}

// setMax changes the size that the peers agreed on.
func (t *table) setMax(n uint64) {
	t.max = n
	if n > t.limit {
		t.over = 1
	} else {
		t.over = 0
	}
}

// lookup finds an entry of the static or dynamic table.
func (t *table) lookup(n uint64) block {
	if n == 0 {
		return block{kind: blockIndex0}
	}
	if n < uint64(len(static)) {
		t.ids++
		return block{name: staticBytes[n][0], value: staticBytes[n][1], id: t.ids}
	}
	n -= uint64(len(static))
	if n >= uint64(t.len()) {
		return block{kind: blockBadIndex}
	}
	return t.entries[len(t.entries)-1-int(n)]
}

// hpackReader reads a header block.
type hpackReader struct {
	b     []byte
	short bool // the input ended inside an entry
	over  bool // an integer was too large
}

func (r *hpackReader) byte() byte {
	if len(r.b) == 0 {
		r.short = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// integer reads an integer whose first bits are the low ones of first (RFC 7541, 5.1).
func (r *hpackReader) integer(first byte, mask byte) uint64 {
	v := uint64(first & mask)
	if v < uint64(mask) {
		return v
	}
	for i := uint(0); ; i++ {
		c := r.byte()
		if r.short {
			return 0
		}
		if c&0x80 == 0 {
			if i > 9 || i == 9 && c > 1 {
				return 0
			}
			add := uint64(c) << (7 * i)
			if v+add < v {
				r.over = true
				return 0
			}
			return v + add
		}
		if i <= 9 {
			v += uint64(c&0x7f) << (7 * i)
		}
	}
}

// text reads a string into memory of the table's arena.
func (r *hpackReader) text(t *table) []byte {
	c := r.byte()
	n := r.integer(c, 0x7f)
	if r.short || r.over {
		return nil
	}
	if n > uint64(len(r.b)) {
		r.short = true
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	if c&0x80 == 0 {
		b := t.heap.grab(len(s))
		copy(b, s)
		return b
	}
	return unhuffman(t.heap.grab(len(s)*8/5 + 1)[:0], s)
}

// maxBlocks bounds the entries of one header block, each of which takes a byte at least.
const maxBlocks = 1 << 16

// decode appends the entries of a header block to dst. ok is false when it ended inside an entry; then dst is as before,
// though the table may have changed. rest is what no entry was made of.
func (t *table) decode(dst []block, b []byte) (out []block, rest int, ok bool) {
	mark := len(dst)
	r := hpackReader{b: b}
	for len(r.b) > 0 && len(dst)-mark < maxBlocks {
		left := len(r.b)
		e := t.entry(&r)
		if r.short {
			clear(dst[mark:])
			return dst[:mark], 0, false
		}
		if r.over {
			dst = append(dst, block{kind: blockOverflow})
			return dst, left, true
		}
		dst = append(dst, e)
	}
	return dst, len(r.b), true
}

func (t *table) entry(r *hpackReader) block {
	c := r.byte()
	switch {
	case c&0x80 != 0:
		n := r.integer(c, 0x7f)
		if r.short || r.over {
			return block{}
		}
		return t.lookup(n)
	case c&0x40 != 0:
		e := t.literal(r, c, 0x3f)
		if !r.short && !r.over && e.kind == blockField {
			t.insert(e)
		}
		return e
	case c&0x20 != 0:
		n := r.integer(c, 0x1f)
		if !r.short && !r.over {
			t.resize(n)
		}
		return block{kind: blockSize, size: n}
	}
	return t.literal(r, c, 0x0f)
}

func (t *table) literal(r *hpackReader, c, mask byte) block {
	n := r.integer(c, mask)
	var e block
	switch {
	case r.short || r.over:
		return e
	case n == 0:
		e.name = r.text(t)
		t.ids++
		e.id = t.ids
	default:
		x := t.lookup(n)
		e.name, e.id = x.name, x.id
	}
	if !r.short && !r.over {
		e.value = r.text(t)
	}
	return e
}

// huffNode is a step of eight bits through the Huffman code.
type huffNode struct {
	next [256]*huffNode
	sym  [256]uint8
	bits [256]uint8 // used of the eight; 0 = go on in next, or no code
}

// huffRoot is the code of RFC 7541, appendix B, taken from the library's encoder.
var huffRoot = func() *huffNode {
	root := new(huffNode)
	for s := 0; s < 256; s++ {
		text := string([]byte{byte(s)})
		n := int(hpack.HuffmanEncodeLength(string(bytes.Repeat([]byte{byte(s)}, 8))))
		code := hpack.AppendHuffmanString(nil, text)
		at := root
		for i := 0; ; i++ {
			if n > 8 {
				if at.next[code[i]] == nil {
					at.next[code[i]] = new(huffNode)
				}
				at = at.next[code[i]]
				n -= 8
				continue
			}
			first := int(code[i]) >> (8 - n) << (8 - n)
			for k := 0; k < 1<<(8-n); k++ {
				at.sym[first+k], at.bits[first+k] = byte(s), uint8(n)
			}
			break
		}
	}
	return root
}()

// unhuffman decodes as much of b as is good.
func unhuffman(dst, b []byte) []byte {
	var hold uint64
	nb := uint(0)
	for i := 0; ; {
		for nb <= 48 && i < len(b) {
			hold = hold<<8 | uint64(b[i])
			nb += 8
			i++
		}
		at, left := huffRoot, nb
		for {
			var c byte
			if left >= 8 {
				c = byte(hold >> (left - 8))
			} else {
				c = byte(hold << (8 - left))
			}
			if n := uint(at.bits[c]); n > 0 {
				if n > left {
					return dst
				}
				dst = append(dst, at.sym[c])
				nb = left - n
				break
			}
			if at = at.next[c]; at == nil || left < 8 {
				return dst
			}
			left -= 8
		}
	}
}

// resize follows a size update of the encoder. Sizes beyond the limit are kept as far as the limit.
func (t *table) resize(n uint64) {
	t.max = n
	t.evict(n)
	if n > t.limit && t.over == 0 {
		t.over = 1
	}
}
