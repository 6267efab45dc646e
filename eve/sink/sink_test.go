package sink

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "eve.json")
	open := func(truncate bool) Sink {
		s, err := Open(Config{Path: path, Truncate: truncate, Mode: 0o600})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(false)
	write := func(text string) {
		if err := s.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("a\nb\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("c\n")
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("d\n")
	if got := read(t, path+".1"); got != "a\nb\nc\n" {
		t.Errorf("the moved file has %q", got)
	}
	if got := read(t, path); got != "d\n" {
		t.Errorf("the new file has %q", got)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", st.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write([]byte("late\n")); err == nil || s.Lost() != 1 {
		t.Errorf("writing after Close: error %v, lost %d", err, s.Lost())
	}
	s = open(false)
	write("e\n")
	s.Close()
	if got := read(t, path); got != "d\ne\n" {
		t.Errorf("appended: %q", got)
	}
	s = open(true)
	write("f\n")
	s.Close()
	if got := read(t, path); got != "f\n" {
		t.Errorf("truncated: %q", got)
	}
}

func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full: ", err)
	}
	s, err := Open(Config{Path: "/dev/full"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write([]byte("a\nb\n")); err == nil || !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("error %v does not name the file", err)
	}
	if s.Lost() != 2 {
		t.Errorf("lost %d lines, want 2", s.Lost())
	}
}

func TestRotateInterval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s, err := openFile(Config{Path: path, Rotate: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	os.Rename(path, path+".1")
	s.Write([]byte("a\n"))
	s.next = time.Now()
	s.Write([]byte("b\n"))
	if a, b := read(t, path+".1"), read(t, path); a != "a\n" || b != "b\n" {
		t.Errorf("old file %q, new file %q", a, b)
	}
	for text, want := range map[string]string{"minute": "12:35:00", "hour": "13:00:00", "day": "00:00:00", "90": "12:35:57"} {
		s, err := openFile(Config{Path: path, Rotate: text})
		if err != nil {
			t.Fatal(err)
		}
		s.plan(time.Date(2024, 2, 29, 12, 34, 27, 0, time.UTC))
		if got := s.next.Format("15:04:05"); got != want {
			t.Errorf("%s: next at %s, want %s", text, got, want)
		}
		s.Close()
	}
	if _, err := Open(Config{Path: path, Rotate: "often"}); err == nil {
		t.Error("a bad interval is no error")
	}
}

func TestNames(t *testing.T) {
	for path, want := range map[string]string{"/var/log/eve.json": "/var/log/eve.3.json", "/var.d/eve": "/var.d/eve.3",
		"/var/.hidden": "/var/.hidden.3", "-": "-", "/dev/null": "/dev/null"} {
		if got := Threaded(path, 3); got != want {
			t.Errorf("Threaded(%s) = %s, want %s", path, got, want)
		}
	}
	at := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	if got, want := strftime("eve-%Y-%m-%d-%H:%M:%S-%j-%%-%s-%Q.json", at), "eve-2024-02-03-04:05:06-034-%-1706933106-%Q.json"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, typ := range []string{"redis", "carrier-pigeon"} {
		if _, err := Open(Config{Type: typ}); err == nil {
			t.Errorf("filetype %s is no error", typ)
		}
	}
}

func TestStreamSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, live := range []bool{false, true} {
		os.Remove(path)
		s, err := Open(Config{Type: "unix_stream", Path: path, Live: func() bool { return live }})
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("nobody\n"))
		if s.Lost() != 1 {
			t.Errorf("lost %d, want 1", s.Lost())
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s.(*socket).tried = time.Time{}
		s.Write([]byte("one\ntwo\n"))
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewScanner(conn)
		for _, want := range []string{"one", "two"} {
			if !r.Scan() || r.Text() != want {
				t.Errorf("got %q, want %q", r.Text(), want)
			}
		}
		s.Close()
		conn.Close()
		l.Close()
	}
}

// TestSlowListener fills a stream socket that nobody reads: no line may come out torn.
func TestSlowListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := Open(Config{Type: "unix_stream", Path: path})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := strings.Repeat("x", 999) + "\n"
	const n = 5000
	sent := 0
	for range n {
		before := s.Lost()
		s.Write([]byte(line))
		if s.Lost() == before {
			sent++
		}
	}
	if s.Lost() == 0 {
		t.Fatal("nothing was lost: the test is too small")
	}
	got := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := bufio.NewReader(conn)
		for {
			b, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if b != line {
				t.Errorf("a torn line of %d bytes", len(b))
			}
			got++
		}
	}()
	s.Close()
	<-done
	if got != sent {
		t.Errorf("%d lines arrived, %d were taken", got, sent)
	}
}

func TestDatagramSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	l, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := Open(Config{Type: "unix_dgram", Path: path})
	defer s.Close()
	s.Write([]byte("one\ntwo\n"))
	buf := make([]byte, 100)
	for _, want := range []string{"one\n", "two\n"} {
		l.SetReadDeadline(time.Now().Add(time.Second))
		n, _, err := l.ReadFrom(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q, error %v, want %q", buf[:n], err, want)
		}
	}
}
