package http2

import (
	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
	"sentinel/stream/app/internal/inflate"
	"sentinel/stream/file"
)

// The kinds of transactions.
const (
	typeStream = 1
	typeGlobal = 2
)

// The progress of a stream. Both sides are complete at once, when both have ended.
const (
	started = iota
	headers
	data
	closed
	complete
)

// Tx is a stream with its two directions, or one frame that concerns the whole connection.
type Tx struct {
	app.Tx
	stream  uint32
	child   uint32 // stream that a push promise announced, whose header block is not complete
	dropped bool   // there were too many

	frames   [2][]frame
	blocks   [2][]block
	settings [2][]setting
	half     [2]body

	count  uint32    // frames that came after the first one
	size   [2]uint64 // bytes of the fields that were measured
	within [2]int    // how many of them are shown one after the other
}

// measure counts the fields that came last. Those beyond the bound are not shown one by one: each may be a byte on the wire.
func (t *Tx) measure(d app.Dir) {
	for _, b := range t.blocks[d][t.within[d]:] {
		if t.size[d] += uint64(len(b.name)+len(b.value)) + 2; t.size[d] > maxBuilt {
			return
		}
		t.within[d]++
	}
}

// body is a direction's content.
type body struct {
	codec   *inflate.Codec
	known   bool // the first content encoding was seen
	in, out uint64
	opened  bool
	file    *file.File
	own     file.Stream
	stream  *file.Stream

	ranged bool // the file is a part of a whole of total bytes
	total  uint64
	block  []byte // the part, until it ends

	isDNS  bool // application/dns-message
	dnsBuf []byte
	dns    []byte // a whole message
}

const maxKept = 1 << 12

// maxLook is how many fields are looked at for one that stands near the front, such as the path.
const maxLook = 1 << 12

func (t *Tx) reset() {
	f, b, s, h := t.frames, t.blocks, t.settings, t.half
	files, bits := t.Files, t.Bits[:0]
	*t = Tx{}
	t.Files, t.Bits = files, bits
	for d := range f {
		clear(b[d])
		if cap(f[d]) <= maxKept {
			t.frames[d] = f[d][:0]
		}
		if cap(b[d]) <= maxKept {
			t.blocks[d] = b[d][:0]
		}
		t.settings[d] = s[d][:0]
		t.half[d].own = h[d].own
	}
}

// first returns the value of the first field of a name, which is in lower case; nil = absent.
func (t *Tx) first(d app.Dir, name string) []byte {
	for i := range t.blocks[d][:min(len(t.blocks[d]), maxLook)] {
		if b := &t.blocks[d][i]; string(b.name) == name {
			if b.value == nil {
				return []byte{}
			}
			return b.value
		}
	}
	return nil
}

// DNS returns the DNS message that a direction carries (RFC 8484); nil = none.
func (t *Tx) DNS(d app.Dir) []byte { return t.half[d].dns }

// Stream is the number of the stream; 0 = the connection.
func (t *Tx) Stream() uint32 { return t.stream }

// kit is what the parsers of a worker share.
type kit struct {
	conf   config
	txs    []*Tx
	codecs []*inflate.Codec
	out    []byte // decompressed data of one frame
	blocks []block
	ranges *httprange.Store
	key    []byte
}

type config struct {
	streams, frames, reassembly int
	table                       uint64
	bomb                        uint64
}

func (k *kit) tx() *Tx {
	if n := len(k.txs); n > 0 {
		t := k.txs[n-1]
		k.txs = k.txs[:n-1]
		return t
	}
	return new(Tx)
}

func (k *kit) giveTx(t *Tx) {
	for d := range t.half {
		k.giveCodec(&t.half[d])
		t.Files[d].Clear(nil)
	}
	t.reset()
	if len(k.txs) < 1024 {
		k.txs = append(k.txs, t)
	}
}

func (k *kit) giveCodec(b *body) {
	if b.codec != nil && len(k.codecs) < 64 {
		k.codecs = append(k.codecs, b.codec)
	}
	b.codec = nil
}

func (k *kit) codec(kind inflate.Kind) *inflate.Codec {
	var c *inflate.Codec
	if n := len(k.codecs); n > 0 {
		c, k.codecs = k.codecs[n-1], k.codecs[:n-1]
	} else {
		c = new(inflate.Codec)
	}
	c.Reset(kind, 0)
	return c
}
