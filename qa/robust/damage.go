package main

import (
	"math/rand/v2"

	"sentinel/capture"
)

// damage changes frames the way that a bad line or an attacker does. The same seed does the same to the same frame, whatever reads it.
type damage struct {
	every int // one frame in so many; 0 = none
	seed  uint64
}

// frame may cut a frame short or change some of its bytes. The bytes are copied first: they belong to the file.
func (d *damage) frame(number uint64, f *capture.Frame) {
	if d.every <= 0 || len(f.Data) == 0 {
		return
	}
	r := rand.New(rand.NewPCG(d.seed, number))
	if r.IntN(d.every) != 0 {
		return
	}
	b := append([]byte(nil), f.Data...)
	switch r.IntN(4) {
	case 0: // cut
		b = b[:r.IntN(len(b)+1)]
	case 1: // one byte, at the front where the headers are
		b[r.IntN(min(len(b), 80))] = byte(r.Uint32())
	case 2: // a length or a count gone wrong
		b[r.IntN(len(b))] = []byte{0, 1, 0x7f, 0x80, 0xff}[r.IntN(5)]
	default: // noise
		for range 1 + r.IntN(8) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	f.Data = b[:len(b):len(b)]
}
