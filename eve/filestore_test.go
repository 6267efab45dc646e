package eve

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"sentinel/stream/file"
)

// TestFileStore stores the same content twice, once with a gap, held open or not.
func TestFileStore(t *testing.T) {
	for _, max := range []int64{0, 1} {
		dir := t.TempDir()
		s := &fileStore{dir: dir, tmp: filepath.Join(dir, "tmp"), maxOpen: max, warn: t.Errorf}
		sum := sha256.Sum256([]byte("abcdef"))
		want := filepath.Join(dir, hex.EncodeToString(sum[:1]), hex.EncodeToString(sum[:]))
		for _, d := range []string{s.tmp, filepath.Dir(want)} {
			if err := os.Mkdir(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		var files [2]file.File
		var on [2]*stored
		for i := range files {
			f := &files[i]
			f.Begin([]byte("x"), file.WantSHA256|file.PartSHA256, file.Limits{})
			f.Append([]byte("abc"))
			on[i], f.StoreID = s.begin()
			f.Save(on[i])
		}
		if files[0].StoreID != 1 || files[1].StoreID != 2 {
			t.Errorf("numbers %d, %d", files[0].StoreID, files[1].StoreID)
		}
		files[1].Gap(5)
		for i := range files {
			f := &files[i]
			f.Append([]byte("def"))
			f.Close(file.Closed)
			if got := on[i].finish(f); got != want {
				t.Errorf("max %d: file %d is %q, want %q", max, i, got, want)
			}
		}
		if b, err := os.ReadFile(want); err != nil || string(b) != "abcdef" {
			t.Errorf("stored %q, %v", b, err)
		}
		if left, _ := os.ReadDir(s.tmp); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		if s.open.Load() != 0 || s.maxHits.Load() != uint64(max) || s.errors.Load() != 0 {
			t.Errorf("max %d: %d open, %d too many, %d errors", max, s.open.Load(), s.maxHits.Load(), s.errors.Load())
		}
	}
}
