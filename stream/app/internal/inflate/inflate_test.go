package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"math/rand"
	"os"
	"testing"

	"github.com/andybalholm/brotli"
)

// pack compresses b with the reference encoders.
func pack(t testing.TB, k Kind, level int, b []byte) []byte {
	t.Helper()
	var o bytes.Buffer
	switch k {
	case Deflate:
		w, _ := flate.NewWriter(&o, level)
		w.Write(b)
		w.Close()
	case Zlib:
		w, _ := zlib.NewWriterLevel(&o, level)
		w.Write(b)
		w.Close()
	case Gzip:
		w, _ := gzip.NewWriterLevel(&o, level)
		w.Name, w.Comment, w.Extra = "name", "comment", []byte("even")
		w.Write(b)
		w.Close()
	case Brotli:
		w := brotli.NewWriterLevel(&o, max(0, level))
		w.Write(b)
		w.Close()
	}
	return o.Bytes()
}

func samples() [][]byte {
	r := rand.New(rand.NewSource(1))
	noise := make([]byte, 100000)
	r.Read(noise)
	var text []byte
	for i := 0; len(text) < 200000; i++ {
		text = append(text, fmt.Sprintf("line %d of the text, which %d repeats itself\r\n", i, i%7)...)
	}
	mixed := append(append([]byte(nil), text[:50000]...), noise[:50000]...)
	return [][]byte{nil, []byte("a"), []byte("hello, hello, hello world"), bytes.Repeat([]byte{'x'}, 100000), noise, text, mixed}
}

func drain(c *Codec, src []byte, step int) ([]byte, Status) {
	var got []byte
	st := More
	for len(src) > 0 {
		p := src[:min(step, len(src))]
		src = src[len(p):]
		for {
			out, n, s := c.Decode(p)
			got = append(got, out...)
			p = p[n:]
			st = s
			if s != Full {
				break
			}
		}
		if st == Done || st == Corrupt {
			return got, st
		}
	}
	for {
		out, s := c.Finish()
		got = append(got, out...)
		if s != Full {
			break
		}
	}
	return got, st
}

func TestDecode(t *testing.T) {
	for _, k := range []Kind{Deflate, Zlib, Gzip, Brotli} {
		for _, level := range []int{0, 1, 6, 9, -2} {
			if level == -2 && k > Gzip {
				continue
			}
			var c Codec
			for i, s := range samples() {
				z := pack(t, k, level, s)
				for _, step := range []int{1, 7, 1460, len(z)} {
					c.Reset(k, 16<<20)
					got, st := drain(&c, z, step)
					if !bytes.Equal(got, s) {
						t.Fatalf("kind %d level %d sample %d step %d: %d bytes, want %d (status %d)", k, level, i, step, len(got), len(s), st)
					}
					if st != Done && k < Brotli {
						t.Fatalf("kind %d level %d sample %d step %d: status %d", k, level, i, step, st)
					}
				}
			}
		}
	}
}

// TestLZMA decodes files of the reference encoder (xz utils).
func TestLZMA(t *testing.T) {
	var text []byte
	for i := 0; i < 600; i++ {
		text = append(text, fmt.Sprintf("line %d of the text, which %d repeats itself\r\n", i, i%7)...)
	}
	for _, name := range []string{"text", "small-window"} {
		z, err := os.ReadFile("testdata/" + name + ".lzma")
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []int{1, 3, 100, len(z)} {
			var c Codec
			c.Reset(LZMA, 1<<20)
			if got, _ := drain(&c, z, step); !bytes.Equal(got, text) {
				t.Errorf("%s, step %d: %d bytes, want %d", name, step, len(got), len(text))
			}
		}
	}
}

// TestTruncated checks that what can be decoded comes out, whatever the cut.
func TestTruncated(t *testing.T) {
	s := samples()[5]
	z := pack(t, Gzip, 6, s)
	var c Codec
	for cut := 0; cut < len(z); cut += 997 {
		c.Reset(Gzip, 0)
		got, st := drain(&c, z[:cut], 100)
		if st != More || !bytes.HasPrefix(s, got) {
			t.Fatalf("cut %d: status %d, %d bytes", cut, st, len(got))
		}
	}
}

func TestCorrupt(t *testing.T) {
	for name, b := range map[string][]byte{
		"block type 3":     {0x07},
		"stored length":    {0x01, 1, 0, 1, 0},
		"distance":         {0x63, 0x00, 0x02, 0x00}, // stdlib refuses it as well, see below
		"too many lengths": {0xfd, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			r := flate.NewReader(bytes.NewReader(append(b, 0, 0, 0, 0, 0, 0, 0, 0)))
			if _, err := r.Read(make([]byte, 10)); err == nil {
				t.Skip("the standard library takes it")
			}
			var c Codec
			c.Reset(Deflate, 0)
			if _, _, st := c.Decode(append(b, 0, 0, 0, 0, 0, 0, 0, 0)); st != Corrupt && name != "distance" {
				t.Errorf("status %d", st)
			}
		})
	}
}

func TestAllocs(t *testing.T) {
	z := pack(t, Gzip, 6, samples()[5])
	var c Codec
	c.Reset(Gzip, 0)
	n := testing.AllocsPerRun(10, func() {
		c.Reset(Gzip, 0)
		for p := z; len(p) > 0; {
			_, k, st := c.Decode(p)
			p = p[k:]
			if st != Full {
				break
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGzip(b *testing.B) {
	s := samples()[5]
	z := pack(b, Gzip, 6, s)
	var c Codec
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		c.Reset(Gzip, 0)
		for p := z; ; {
			_, k, st := c.Decode(p)
			p = p[k:]
			if st != Full {
				break
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for k := Deflate; k <= Brotli; k++ {
		f.Add(uint8(k), pack(f, k, 6, samples()[2]), 3)
		f.Add(uint8(k), pack(f, k, 1, samples()[6][40000:60000]), 100)
	}
	f.Fuzz(func(t *testing.T, k uint8, b []byte, step int) {
		if step < 1 || len(b) > 1<<16 {
			return
		}
		var one, all Codec
		one.Reset(Kind(k%5), 1<<16)
		all.Reset(Kind(k%5), 1<<16)
		x, _ := drain(&one, b, step)
		y, _ := drain(&all, b, len(b)+1)
		if Kind(k%5) == Brotli { // where it meets damage depends on the pieces
			x, y = x[:min(len(x), len(y))], y[:min(len(x), len(y))]
		}
		if !bytes.Equal(x, y) {
			t.Fatalf("in pieces of %d: %d bytes, at once: %d", step, len(x), len(y))
		}
		if Kind(k%5) == Deflate {
			want := make([]byte, len(x))
			r := flate.NewReader(bytes.NewReader(b))
			n, _ := r.Read(want[:min(len(want), 1)])
			if n > len(x) || !bytes.Equal(want[:n], x[:n]) {
				t.Fatal("the standard library sees something else")
			}
		}
	})
}
