package inflate

import (
	"bytes"
	"os"
	"testing"
	"time"

	"sentinel/internal/growth"
)

// byteCost is the most that a byte of input may cost that makes no output to speak of, and outCost the most for a byte of output.
const (
	byteCost = 4 * time.Microsecond
	outCost  = 50 * time.Nanosecond
)

// TestAttacks holds the decoders to work that grows with input and output, in whatever pieces the input comes.
func TestAttacks(t *testing.T) {
	text, err := os.ReadFile("testdata/text.lzma")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	tests := []struct {
		name string
		kind Kind
		unit []byte
	}{
		{"bomb", Gzip, pack(t, Gzip, 9, zeros)},
		{"bomb of deflate", Deflate, pack(t, Deflate, 9, zeros)},
		{"bomb of Brotli", Brotli, pack(t, Brotli, 9, zeros)},
		{"bomb of LZMA", LZMA, text},
		{"empty stored blocks", Deflate, []byte{0, 0, 0, 0xff, 0xff}},
		{"empty fixed blocks", Deflate, []byte{2, 4 << 1, 8 << 2 & 0xff}},
		{"header without end", Gzip, bytes.Repeat([]byte{'a'}, 64)},
		{"noise", Brotli, samples()[4][:512]},
	}
	for _, tt := range tests {
		for name, step := range map[string]int{"byte by byte": 1, "in segments": 1460} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				var c Codec
				var in, out int
				got := growth.Linear(t, 16, 1<<20, func(n int) func() {
					var src []byte
					if tt.name == "header without end" {
						src = []byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0}
					}
					for len(src) < n {
						src = append(src, tt.unit...)
					}
					return func() {
						in, out = len(src), 0
						c.Reset(tt.kind, 16<<20)
						for b := src; len(b) > 0; {
							p := b[:min(step, len(b))]
							b = b[len(p):]
							for {
								o, k, st := c.Decode(p)
								out += len(o)
								p = p[k:]
								if st == Done || st == Corrupt { // the peer sends another body
									c.Reset(tt.kind, 16<<20)
									break
								}
								if st != Full {
									break
								}
							}
						}
					}
				})
				if most := time.Duration(in)*byteCost + time.Duration(out)*outCost; got.Work > most {
					t.Errorf("%d bytes in, %d out: %v, more than %v", in, out, got.Work, most)
				}
			})
		}
	}
}
