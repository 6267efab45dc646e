package pcapfile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// drain reads all frames, as copies, and the error that the source ends with; io.EOF is no error.
func drain(t testing.TB, s *pcapfile.Source) ([]capture.Frame, error) {
	t.Helper()
	var all []capture.Frame
	batch := make([]capture.Frame, 32)
	deadline := time.Now().Add(20 * time.Second)
	for {
		n, err := s.Read(context.Background(), batch)
		for _, f := range batch[:n] {
			if cap(f.Data) != len(f.Data) {
				t.Fatalf("data is not capped: len %d, cap %d", len(f.Data), cap(f.Data))
			}
			f.Data = bytes.Clone(f.Data)
			all = append(all, f)
		}
		if e := s.Release(batch[:n]); e != nil {
			t.Fatal(e)
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if time.Now().After(deadline) {
			t.Fatal("no end")
		}
	}
}

func fromBytes(t testing.TB, b []byte, opts pcapfile.Options) ([]capture.Frame, error) {
	t.Helper()
	s, err := pcapfile.NewReader(bytes.NewReader(b), "x.pcap", opts)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return drain(t, s)
}

var le, be binary.AppendByteOrder = binary.LittleEndian, binary.BigEndian

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func header(o binary.AppendByteOrder, magic uint32, minor uint16, snap, link uint32) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, minor)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, snap)
	return o.AppendUint32(b, link)
}

func record(o binary.AppendByteOrder, sec, sub, captured, wire uint32, rest string) []byte {
	b := o.AppendUint32(nil, sec)
	b = o.AppendUint32(b, sub)
	b = o.AppendUint32(b, captured)
	b = o.AppendUint32(b, wire)
	return append(b, rest...)
}

type want struct {
	data  string
	time  int64
	wire  uint32
	link  capture.LinkType
	trunc bool
}

func check(t *testing.T, got []capture.Frame, wants []want) {
	t.Helper()
	if len(got) != len(wants) {
		t.Fatalf("got %d frames, want %d", len(got), len(wants))
	}
	for i, w := range wants {
		g := got[i]
		if string(g.Data) != w.data || g.Time != w.time || g.WireLen != w.wire || g.Link != w.link || g.Iface != 0 ||
			(g.Flags&capture.Truncated != 0) != w.trunc {
			t.Errorf("frame %d: got %+v, want %+v", i, g, w)
		}
	}
}

func TestPcap(t *testing.T) {
	const usec, nsec, kuz = 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34
	two := func(o binary.AppendByteOrder, magic uint32) []byte {
		return cat(header(o, magic, 4, 65535, 1), record(o, 10, 999, 3, 3, "abc"), record(o, 11, 5, 2, 60, "de"))
	}
	micro := []want{{"abc", 10_000_999_000, 3, 1, false}, {"de", 11_000_005_000, 60, 1, true}}
	nano := []want{{"abc", 10_000_000_999, 3, 1, false}, {"de", 11_000_000_005, 60, 1, true}}
	tests := []struct {
		name string
		file []byte
		want []want
	}{
		{"little-endian", two(le, usec), micro},
		{"big-endian", two(be, usec), micro},
		{"nanoseconds", two(le, nsec), nano},
		{"nanoseconds, big-endian", two(be, nsec), nano},
		{"modified", cat(header(le, kuz, 4, 65535, 113), record(le, 1, 2, 3, 3, "\x01\x00\x00\x00\x08\x00\x00\x00abc")),
			[]want{{"abc", 1_000_002_000, 3, 113, false}}},
		{"no packet", header(le, usec, 4, 65535, 1), nil},
		{"empty packet", cat(header(le, usec, 4, 65535, 1), record(le, 1, 0, 0, 0, ""), record(le, 2, 0, 1, 1, "x")),
			[]want{{"", 1e9, 0, 1, false}, {"x", 2e9, 1, 1, false}}},
		{"nothing captured", cat(header(le, usec, 4, 65535, 1), record(le, 1, 0, 0, 9, "")), []want{{"", 1e9, 9, 1, true}}},
		{"longer than the file's limit", cat(header(le, usec, 4, 2, 1), record(le, 1, 0, 3, 3, "abc"), record(le, 2, 0, 1, 1, "x")),
			[]want{{"ab", 1e9, 3, 1, true}, {"x", 2e9, 1, 1, false}}},
		{"limit 0 is none", cat(header(le, usec, 4, 0, 1), record(le, 1, 0, 3, 3, "abc")), []want{{"abc", 1e9, 3, 1, false}}},
		{"wire length below the captured one", cat(header(le, usec, 4, 0, 1), record(le, 1, 0, 3, 1, "abc")), []want{{"abc", 1e9, 3, 1, false}}},
		{"lengths exchanged, 2.2", cat(header(le, usec, 2, 0, 1), record(le, 1, 0, 9, 3, "abc")), []want{{"abc", 1e9, 9, 1, true}}},
		{"lengths exchanged, 2.3", cat(header(le, usec, 3, 0, 1), record(le, 1, 0, 9, 3, "abc"), record(le, 1, 0, 3, 9, "def")),
			[]want{{"abc", 1e9, 9, 1, true}, {"def", 1e9, 9, 1, true}}},
		{"frame check sequence in the link type", cat(header(le, usec, 4, 0, 0x24000001), record(le, 1, 0, 1, 1, "x")), []want{{"x", 1e9, 1, 1, false}}},
		{"second above 2038", cat(header(le, usec, 4, 0, 1), record(le, 0xffffffff, 0xffffffff, 1, 1, "x")),
			[]want{{"x", 4294967295_000_000_000 + 4294967295_000, 1, 1, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fromBytes(t, tt.file, pcapfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, got, tt.want)
		})
	}
}

func TestBroken(t *testing.T) {
	h := header(le, 0xa1b2c3d4, 4, 65535, 1)
	r := record(le, 1, 0, 3, 3, "abc")
	tests := []struct {
		name   string
		file   []byte
		frames int
		kind   error
		say    string
	}{
		{"no byte", nil, 0, pcapfile.ErrFormat, "0 bytes"},
		{"text", []byte("hello, this is no capture"), 0, pcapfile.ErrFormat, "68 65 6c 6c"},
		{"gzip", []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0}, 0, pcapfile.ErrFormat, "gzip"},
		{"version", header(le, 0xa1b2c3d4, 4, 0, 1)[:4:4], 0, pcapfile.ErrTruncated, "4 of 24"},
		{"version 9", append(le.AppendUint16(h[:4:4], 9), h[6:]...), 0, pcapfile.ErrFormat, "9.4"},
		{"short file header", h[:20], 0, pcapfile.ErrTruncated, "20 of 24"},
		{"short record header", cat(h, r, r[:7]), 1, pcapfile.ErrTruncated, "offset 43: the last record's header has 7 of 16"},
		{"short packet", cat(h, r, r[:18]), 1, pcapfile.ErrTruncated, "offset 43: the last packet has 2 of 3"},
		{"absurd length", cat(h, r, record(le, 1, 0, 262145, 262145, ""), r), 1, pcapfile.ErrCorrupt, "offset 43: a packet of 262145"},
		{"largest length", cat(h, r, record(le, 1, 0, 0xffffffff, 0xffffffff, ""), r), 1, pcapfile.ErrCorrupt, "4294967295"},
		{"pcapng: short section", section(le)[:20], 0, pcapfile.ErrTruncated, "20 of 28"},
		{"pcapng: byte order", append(le.AppendUint32(section(le)[:8:8], 7), section(le)[12:]...), 0, pcapfile.ErrFormat, "byte order"},
		{"pcapng: packet before interface", cat(section(le), enhanced(le, 0, 0, 1, "x")), 0, pcapfile.ErrCorrupt, "interface 0"},
		{"pcapng: simple packet before interface", cat(section(le), simple(le, 1, "x")), 0, pcapfile.ErrCorrupt, "before any interface"},
		{"pcapng: interface of the section before", cat(section(le), describe(le, 1, 0), section(le), enhanced(le, 0, 0, 1, "x")), 0, pcapfile.ErrCorrupt, "interface 0"},
		{"pcapng: short block", cat(section(le), describe(le, 1, 0), enhanced(le, 0, 0, 1, "x"), enhanced(le, 0, 0, 4, "wxyz")[:30]), 1, pcapfile.ErrTruncated, "30 of 36"},
		{"pcapng: cut behind the data", cat(section(le), describe(le, 1, 0), enhanced(le, 0, 0, 4, "wxyz")[:33]), 1, pcapfile.ErrTruncated, ""},
		{"pcapng: length 0", cat(section(le), make([]byte, 40)), 0, pcapfile.ErrCorrupt, "a block of 0 bytes"},
		{"pcapng: odd length", cat(section(le), le.AppendUint32(le.AppendUint32(nil, 99), 13), make([]byte, 40)), 0, pcapfile.ErrCorrupt, "a block of 13 bytes"},
		{"pcapng: block too short for its packet", cat(section(le), describe(le, 1, 0), shorten(enhanced(le, 0, 0, 100, "x"), 100)), 0, pcapfile.ErrCorrupt, "too short"},
		{"pcapng: unknown block runs past the end", cat(section(le), le.AppendUint32(le.AppendUint32(nil, 99), 0x7ffffffc), make([]byte, 40)), 0, pcapfile.ErrTruncated, ""},
		{"pcapng: section version", cat(section(le), bytes.Replace(section(le), []byte{1, 0, 0, 0, 255}, []byte{2, 0, 0, 0, 255}, 1)), 0, pcapfile.ErrCorrupt, "version 2.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fromBytes(t, tt.file, pcapfile.Options{})
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.say) || !strings.HasPrefix(err.Error(), "x.pcap: ") {
				t.Errorf("got error %v, want %v with %q", err, tt.kind, tt.say)
			}
			if len(got) != tt.frames {
				t.Errorf("got %d frames before it, want %d", len(got), tt.frames)
			}
		})
	}
}

// A file that is cut anywhere gives the frames that are whole, and then one error.
func TestCutAnywhere(t *testing.T) {
	h := header(le, 0xa1b2c3d4, 4, 65535, 1)
	r := record(le, 1, 0, 3, 3, "abc")
	whole := cat(h, r, r, r)
	for n := range whole {
		got, err := fromBytes(t, whole[:n], pcapfile.Options{})
		frames, ok := 0, false
		if n >= len(h) {
			frames, ok = (n-len(h))/len(r), (n-len(h))%len(r) == 0
		}
		if len(got) != frames || (err == nil) != ok {
			t.Errorf("cut at %d: %d frames and %v, want %d", n, len(got), err, frames)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(text, []byte("hello world"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pcapfile.Open(text, pcapfile.Options{}); !errors.Is(err, pcapfile.ErrFormat) || !strings.Contains(err.Error(), "a.txt: not a capture file") {
		t.Errorf("text: %v", err)
	}
	if _, err := pcapfile.Open(filepath.Join(dir, "none"), pcapfile.Options{}); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "cannot open ") {
		t.Errorf("none: %v", err)
	}
	if _, err := pcapfile.Open(dir, pcapfile.Options{Recursive: true, Continuous: true}); err == nil {
		t.Error("recursive and continuous together are accepted")
	}
}

func TestBPF(t *testing.T) {
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 'b', SkipFalse: 1},
		bpf.RetConstant{Val: 65535},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	filter, err := pcapfile.BPF(prog)
	if err != nil {
		t.Fatal(err)
	}
	file := cat(header(le, 0xa1b2c3d4, 4, 65535, 1), record(le, 1, 0, 1, 1, "a"), record(le, 2, 0, 2, 2, "bc"), record(le, 3, 0, 0, 0, ""))
	got, err := fromBytes(t, file, pcapfile.Options{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, []want{{"bc", 2e9, 2, 1, false}})
}
