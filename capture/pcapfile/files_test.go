package pcapfile_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// one returns a capture of one packet with the given data.
func one(data string) []byte {
	return cat(header(le, 0xa1b2c3d4, 4, 0, 1), record(le, 1, 0, uint32(len(data)), uint32(len(data)), data))
}

// tree writes files below a new directory, each a minute older than the one before.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	at := time.Now().Add(-time.Hour)
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		b := one(name)
		if strings.HasSuffix(name, ".txt") {
			b = []byte("this is no capture file")
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(-time.Minute)
	}
	return dir
}

func TestDirectory(t *testing.T) {
	tests := []struct {
		name      string
		recursive bool
		want      []string
	}{
		{"flat", false, []string{"b", "a", "d"}},
		{"recursive", true, []string{"sub/deep/e", "sub/c", "b", "a", "d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, "d", "a", "no.txt", "b", "sub/c", "sub/deep/e")
			if err := os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			var reported, done []string
			s, err := pcapfile.Open(dir, pcapfile.Options{
				Recursive: tt.recursive,
				Report:    func(err error) { reported = append(reported, err.Error()) },
				Done:      func(name string) { done = append(done, name) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var got, names []string
			batch := make([]capture.Frame, 8)
			for {
				n, err := s.Read(context.Background(), batch)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range batch[:n] {
					got = append(got, string(f.Data))
					names = append(names, s.File())
				}
				if len(done) >= len(got) && n > 0 {
					t.Errorf("%s is done before it is released", s.File())
				}
				s.Release(batch[:n])
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			var paths []string
			for _, w := range tt.want {
				paths = append(paths, filepath.Join(dir, w))
			}
			if !slices.Equal(names, paths) {
				t.Errorf("files %q, want %q", names, paths)
			}
			if !slices.Equal(done, paths) {
				t.Errorf("done %q, want %q", done, paths)
			}
			if len(reported) != 1 || !strings.Contains(reported[0], "no.txt: not a capture file") {
				t.Errorf("reported %q", reported)
			}
			if st := s.Stats(); st.Received != uint64(len(tt.want)) || st.Errors != 1 {
				t.Errorf("stats %+v", st)
			}
			if d, total := s.Progress(); d == 0 || d > total {
				t.Errorf("progress %d of %d", d, total)
			}
		})
	}
}

// Files with the same time are read in the order of their names.
func TestDirectorySameTime(t *testing.T) {
	dir := tree(t, "c", "a", "b")
	at := time.Now().Add(-time.Hour)
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	s, err := pcapfile.Open(dir, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := drain(t, s)
	if err != nil || len(got) != 3 || string(got[0].Data)+string(got[1].Data)+string(got[2].Data) != "abc" {
		t.Errorf("got %v, %v", got, err)
	}
}

// A directory that is watched gives files that appear later, leaves young ones, and ends when it goes away.
func TestContinuous(t *testing.T) {
	dir := tree(t, "a")
	s, err := pcapfile.Open(dir, pcapfile.Options{Continuous: true, Poll: time.Millisecond, Delay: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := make([]capture.Frame, 8)
	next := func() (string, error) {
		for range 2000 {
			n, err := s.Read(context.Background(), batch)
			if err != nil {
				return "", err
			}
			if n > 0 {
				defer s.Release(batch[:n])
				return string(batch[0].Data), nil
			}
		}
		return "nothing", nil
	}
	if got, err := next(); got != "a" || err != nil {
		t.Fatalf("first: %q, %v", got, err)
	}
	path := filepath.Join(dir, "b")
	if err := os.WriteFile(path, one("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if n, err := s.Read(context.Background(), batch); n != 0 || err != nil {
			t.Fatalf("a file that is still being written was read: %d, %v", n, err)
		}
	}
	old := time.Now().Add(-20 * time.Second)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if got, err := next(); got != "b" || err != nil {
		t.Fatalf("second: %q, %v", got, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := next(); err != io.EOF {
		t.Fatalf("after the directory is gone: %q, %v", got, err)
	}
}

// A pipe gives packets as they come, and Read comes back when none does.
func TestPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s, err := pcapfile.NewReader(r, "pipe", pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := make([]capture.Frame, 8)
	b := one("hello")
	for i := 0; i < len(b); i += 7 { // nothing whole before the last piece
		start := time.Now()
		n, err := s.Read(context.Background(), batch)
		if n != 0 || err != nil {
			t.Fatalf("at %d: %d, %v", i, n, err)
		}
		if d := time.Since(start); d > time.Second {
			t.Fatalf("read took %v", d)
		}
		if _, err := w.Write(b[i:min(i+7, len(b))]); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for range 1000 {
		n, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			got = string(batch[0].Data)
			s.Release(batch[:n])
			break
		}
	}
	if got != "hello" {
		t.Fatalf("got %q", got)
	}
	w.Close()
	if rest, err := drain(t, s); len(rest) != 0 || err != nil {
		t.Errorf("after the end: %v, %v", rest, err)
	}
}

func TestContextAndClose(t *testing.T) {
	path := filepath.Join(tree(t, "a"), "a")
	s, err := pcapfile.Open(path, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]capture.Frame, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Read(ctx, batch); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	if n, err := s.Read(context.Background(), batch); n != 1 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
	if s.Now() != 1e9 {
		t.Errorf("now is %d", s.Now())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Read(context.Background(), batch); n != 0 || err == nil || err == io.EOF {
		t.Errorf("closed: %d, %v", n, err)
	}
}

func TestStandardInput(t *testing.T) {
	f, err := os.Open(filepath.Join(tree(t, "a"), "a"))
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = f
	defer func() { os.Stdin = old }()
	s, err := pcapfile.Open("-", pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := drain(t, s)
	if err != nil || len(got) != 1 || string(got[0].Data) != "a" || s.File() != "-" {
		t.Errorf("%v, %v from %q", got, err, s.File())
	}
}
