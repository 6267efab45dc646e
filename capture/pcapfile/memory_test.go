package pcapfile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// numbered returns a capture of n packets of mixed lengths, each filled with the low byte of its number.
func numbered(n int) []byte {
	b := header(le, 0xa1b2c3d4, 4, 0, 1)
	for i := range n {
		l := 60 + i*7919%1400
		b = append(b, record(le, uint32(i), 0, uint32(l), uint32(l), string(bytes.Repeat([]byte{byte(i)}, l)))...)
	}
	return b
}

func onDisk(t testing.TB, b []byte) string {
	path := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Frames keep their bytes until they are released, however many batches are held.
func TestLentBytesStay(t *testing.T) {
	const packets = 20_000
	s, err := pcapfile.Open(onDisk(t, numbered(packets)), pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	type held struct{ frames []capture.Frame }
	var ring []held
	seen := 0
	release := func() {
		for _, f := range ring[0].frames {
			if len(f.Data) != 60+seen*7919%1400 {
				t.Fatalf("frame %d has %d bytes", seen, len(f.Data))
			}
			for _, c := range f.Data {
				if c != byte(seen) {
					t.Fatalf("frame %d was overwritten with %d", seen, c)
				}
			}
			seen++
		}
		s.Release(ring[0].frames)
		ring = ring[1:]
	}
	for {
		batch := make([]capture.Frame, 100)
		n, err := s.Read(context.Background(), batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ring = append(ring, held{batch[:n]})
		if len(ring) > 25 { // some 1.8 MB
			release()
		}
	}
	for len(ring) > 0 {
		release()
	}
	if seen != packets {
		t.Errorf("saw %d", seen)
	}
}

// A caller that releases nothing gets no more than a bounded number of frames, and goes on when it does.
func TestHeldFramesAreBounded(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 200_000)
	b := header(le, 0xa1b2c3d4, 4, 0, 1)
	r := record(le, 1, 0, uint32(len(big)), uint32(len(big)), string(big))
	const packets = 400
	for range packets {
		b = append(b, r...)
	}
	s, err := pcapfile.Open(onDisk(t, b), pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []capture.Frame
	batch := make([]capture.Frame, 16)
	for idle := 0; idle < 3; {
		n, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			idle++
		}
		all = append(all, batch[:n]...)
	}
	if len(all) == 0 || len(all) >= packets {
		t.Fatalf("%d frames lent at once", len(all))
	}
	s.Release(all)
	rest, err := drain(t, s)
	if err != nil || len(all)+len(rest) != packets {
		t.Errorf("%d and %d frames, %v", len(all), len(rest), err)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	s, err := pcapfile.Open(onDisk(t, numbered(30_000)), pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	batch := make([]capture.Frame, 128)
	frames := 0
	read := func() {
		n, err := s.Read(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		frames += n
		s.Release(batch[:n])
	}
	for range 20 {
		read()
	}
	if a := testing.AllocsPerRun(150, read); a != 0 {
		t.Errorf("%v allocations a batch", a)
	}
	if frames < 150*100 {
		t.Errorf("only %d frames were read", frames)
	}
}

func BenchmarkRead(b *testing.B) {
	ng := cat(section(le), describe(le, 1, 0))
	for i := range 100_000 {
		ng = append(ng, enhanced(le, 0, uint64(i), 600, string(make([]byte, 60+i*7919%1400)))...)
	}
	for _, kind := range []struct {
		name string
		file []byte
	}{{"pcap", numbered(100_000)}, {"pcapng", ng}} {
		path := onDisk(b, kind.file)
		b.Run(kind.name, func(b *testing.B) {
			batch := make([]capture.Frame, 128)
			ctx := context.Background()
			b.ReportAllocs()
			packets := 0
			var sum uint32
			for packets < b.N {
				s, err := pcapfile.Open(path, pcapfile.Options{})
				if err != nil {
					b.Fatal(err)
				}
				for {
					n, err := s.Read(ctx, batch)
					if err != nil {
						break
					}
					for i := range batch[:n] {
						sum += binary.BigEndian.Uint32(batch[i].Data)
					}
					packets += n
					s.Release(batch[:n])
				}
				s.Close()
			}
			_ = sum
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
		})
	}
}
