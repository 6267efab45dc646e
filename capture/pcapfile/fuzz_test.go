package pcapfile_test

import (
	"bytes"
	"context"
	"testing"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// FuzzRead checks that no file can make the reader panic, hang, or lend bytes that the file does not have.
func FuzzRead(f *testing.F) {
	f.Add(cat(header(le, 0xa1b2c3d4, 4, 65535, 1), record(le, 10, 999, 3, 3, "abc"), record(le, 11, 5, 2, 60, "de")))
	f.Add(cat(header(be, 0xa1b23c4d, 3, 65535, 1), record(be, 10, 999, 3, 2, "abc")))
	f.Add(cat(header(le, 0xa1b2cd34, 2, 65535, 113), record(le, 1, 2, 3, 3, "\x01\x00\x00\x00\x08\x00\x00\x00abc")))
	f.Add(cat(section(le), describe(le, 1, 0, option(le, 9, 0x8a), option(le, 14, make([]byte, 8)...)), enhanced(le, 0, 7, 1, "a"), simple(le, 3, "bcd"), packet(le, 0, 1, 2, 3, "abc")))
	f.Add(cat(section(be), describe(be, 113, 0), blk(be, 5, make([]byte, 30)), enhanced(be, 0, 7, 1, "a", option(be, 1, 'x'), option(be, 0)), section(le), describe(le, 1, 2), simple(le, 3, "bcd")))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := pcapfile.NewReader(bytes.NewReader(file), "fuzz", pcapfile.Options{})
		if err != nil {
			return
		}
		batch := make([]capture.Frame, 3)
		total := 0
		for reads := 0; ; reads++ {
			if reads > len(file)+16 {
				t.Fatal("no end")
			}
			n, err := s.Read(context.Background(), batch)
			for _, fr := range batch[:n] {
				total += len(fr.Data)
				if uint64(fr.WireLen) < uint64(len(fr.Data)) || (fr.Flags&capture.Truncated != 0) != (int(fr.WireLen) > len(fr.Data)) {
					t.Fatalf("lengths: %d captured, %d on the wire, flags %b", len(fr.Data), fr.WireLen, fr.Flags)
				}
			}
			s.Release(batch[:n])
			if err != nil {
				break
			}
		}
		if total > len(file) {
			t.Fatalf("%d bytes lent of %d", total, len(file))
		}
		if done, _ := s.Progress(); done > int64(len(file)) {
			t.Fatalf("at %d of %d", done, len(file))
		}
	})
}
