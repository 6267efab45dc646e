package file

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		name  string
		want  Flags
		size  int
		close bool
		kind  string
	}{
		{"too little", WantMagic, 511, false, ""},
		{"enough", WantMagic, 512, false, "512"},
		{"short and over", WantMagic, 3, true, "3"},
		{"empty", WantMagic, 0, true, ""},
		{"not wanted", 0, 600, true, ""},
		{"only its head", WantMagic, 1 << 17, true, "65536"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f File
			f.Begin([]byte("x"), tt.want, Limits{})
			asked := 0
			f.Identifier(func(b []byte) string {
				asked++
				return map[int]string{3: "3", 512: "512", 1 << 16: "65536"}[len(b)]
			})
			f.Append([]byte(strings.Repeat("a", tt.size)))
			if tt.close {
				f.Close(Closed)
			}
			f.Identify()
			if got := string(f.Identify()); got != tt.kind || asked > 1 {
				t.Errorf("got %q after asking %d times, want %q", got, asked, tt.kind)
			}
		})
	}
}

// TestHashAcrossGap: the reference hashes what is there of a file with gaps, once SHA-256 is insisted on.
func TestHashAcrossGap(t *testing.T) {
	var f File
	f.Begin([]byte("x"), WantSHA256|PartSHA256|WantMD5, Limits{})
	f.Append([]byte("abc"))
	f.Gap(4)
	f.Append([]byte("def"))
	f.Close(Closed)
	if f.State != Truncated || f.HasMD5 || !f.HasSHA256 || f.SHA256 != sha256.Sum256([]byte("abcdef")) || f.Size() != 10 {
		t.Errorf("state %v, md5 %v, sha256 %v %x, size %d", f.State, f.HasMD5, f.HasSHA256, f.SHA256, f.Size())
	}
}
