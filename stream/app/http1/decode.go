package http1

import (
	"time"

	"sentinel/stream/app"

	"sentinel/stream/app/internal/inflate"
)

// maxLayers bounds the content encodings of one body, whatever the configuration says.
const maxLayers = 8

// layer undoes one content encoding. Servers lie about it, so a layer that meets a broken stream tries the other members
// of the deflate family, and passes the data through when none fits.
type layer struct {
	codec    *inflate.Codec
	kind     inflate.Kind
	restarts int
	pass     bool
	dead     bool // damaged after output: nothing more comes
	out      uint64
}

// decoder undoes the content encodings of one body; the last of the list was applied last and is undone first.
type decoder struct {
	layers [maxLayers]layer
	n      int
	spare  []*inflate.Codec
	spent  int64
	begin  time.Time
	timed  bool
	total  uint64
}

func (p *pool) decoder() *decoder {
	if n := len(p.decoders); n > 0 {
		d := p.decoders[n-1]
		p.decoders = p.decoders[:n-1]
		return d
	}
	return new(decoder)
}

func (p *pool) giveDecoder(d *decoder) {
	for i := 0; i < d.n; i++ {
		d.spare = append(d.spare, d.layers[i].codec)
		d.layers[i] = layer{}
	}
	d.n, d.spent, d.timed, d.total = 0, 0, false, 0
	if len(p.decoders) < 64 {
		p.decoders = append(p.decoders, d)
	}
}

// add puts a layer in front of those there are.
func (d *decoder) add(k inflate.Kind, mem uint32) {
	if d.n == maxLayers {
		return
	}
	var c *inflate.Codec
	if n := len(d.spare); n > 0 {
		c, d.spare = d.spare[n-1], d.spare[:n-1]
	} else {
		c = new(inflate.Codec)
	}
	c.Reset(k, mem)
	d.layers[d.n] = layer{codec: c, kind: k}
	d.n++
}

// harmless says that no single layer of this decoder could have made so much output that it counts as a bomb.
func (d *decoder) harmless() bool { return d.n == 1 && d.layers[0].kind <= inflate.Gzip }

// decode hands b through layer i and those below it. It reports false when decoding must end.
func (p *Parser) decode(t *Tx, dir app.Dir, d *decoder, i int, b []byte) bool {
	if i < 0 {
		return p.decoded(t, dir, d, b)
	}
	l := &d.layers[i]
	if l.dead {
		return false
	}
	if l.pass {
		return p.decode(t, dir, d, i-1, b)
	}
	l.out = 0
	for len(b) > 0 {
		out, n, st := l.codec.Decode(b)
		// What a second guess made of broken data does not count.
		if len(out) > 0 && (st != inflate.Corrupt || l.restarts == 0) {
			l.out += uint64(len(out))
			if !p.decode(t, dir, d, i-1, out) {
				l.dead = true
				return false
			}
		}
		switch st {
		case inflate.Full:
			b = b[n:]
			continue
		case inflate.Corrupt:
			if l.restarts == 0 && l.out > 0 {
				l.dead = true
				return false
			}
			b = b[l.codec.Header():]
			if l.restarts >= 3 {
				d.passthrough(i)
				return p.decode(t, dir, d, i, b)
			}
			l.restarts++
			switch l.kind {
			case inflate.Deflate:
				l.kind = inflate.Zlib
			case inflate.Zlib:
				l.kind = inflate.Gzip
			default:
				l.kind = inflate.Deflate
			}
			l.codec.Reset(l.kind, t.cfg.lzmaMem)
			continue
		}
		return true
	}
	return true
}

// passthrough ends decoding in a layer and those behind it: the data goes on as it is.
func (d *decoder) passthrough(i int) {
	for ; i >= 0; i-- {
		d.layers[i].pass = true
	}
}

// finish flushes what the layers kept back.
func (p *Parser) finishDecode(t *Tx, dir app.Dir, d *decoder) {
	for i := d.n - 1; i >= 0; i-- {
		l := &d.layers[i]
		if l.dead || l.pass {
			continue
		}
		for {
			out, st := l.codec.Finish()
			if len(out) > 0 && !p.decode(t, dir, d, i-1, out) {
				l.dead = true
				break
			}
			if st != inflate.Full {
				break
			}
		}
	}
}
