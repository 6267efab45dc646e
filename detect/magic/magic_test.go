//go:build cgo

package magic

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	l, err := Open("")
	if err != nil {
		t.Skipf("no magic database on this machine: %v", err)
	}
	defer l.Close()
	for _, tt := range []struct{ name, data, begins string }{
		{"PDF", "%PDF-1.3\r\n", "PDF document"},
		{"GIF", "GIF89a\x01\x00\x01\x00\x80\x00\x00", "GIF image data, version 89a"},
		{"text", "hello\n", "ASCII text"},
		{"nothing", "", ""},
		{"binary", "\x00\x01\x02\xff", "data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := l.Text([]byte(tt.data))
			if !strings.HasPrefix(got, tt.begins) || tt.begins == "" && got != "" {
				t.Errorf("got %q, want %q…", got, tt.begins)
			}
		})
	}
}

func TestOpenWrong(t *testing.T) {
	if l, err := Open("/nonexistent/magic"); err == nil {
		l.Close()
		t.Error("a missing database was loaded")
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("%PDF-1.3"))
	f.Add([]byte("PK\x03\x04\x14\x00"))
	f.Add([]byte("MZ\x90\x00"))
	l, err := Open("")
	if err != nil {
		f.Skipf("no magic database on this machine: %v", err)
	}
	defer l.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		if s := l.Text(b); len(b) > 0 && s == "" && len(b) < 1<<16 {
			t.Skip("libmagic knows no answer")
		}
	})
}
