package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckPid(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skipf("needs a program to run: %v", err)
	}
	other := exec.Command(sleep, "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	// This program once more, waiting for its input to end.
	self := exec.Command("/proc/self/exe")
	self.Args[0] = os.Args[0]
	self.Env = append(os.Environ(), waitVar+"=yes")
	in, err := self.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	defer func() {
		in.Close()
		_ = self.Wait()
	}()
	for _, tt := range []struct {
		name, text string
		stale      bool
		refused    bool
	}{
		{name: "no process", text: "2147483646\n", stale: true},
		{name: "empty", text: "", stale: true},
		{name: "no number", text: "hello\n", stale: true},
		{name: "negative", text: "-1\n", stale: true},
		{name: "zero", text: "0\n", stale: true},
		{name: "this process, whose id was used again", text: fmt.Sprintln(os.Getpid()), stale: true},
		{name: "another program", text: fmt.Sprintln(other.Process.Pid), stale: true},
		{name: "the same program", text: fmt.Sprintln(self.Process.Pid), refused: true},
		{name: "without a newline", text: fmt.Sprint(self.Process.Pid), refused: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			stale, err := CheckPid(path)
			if stale != tt.stale || (err != nil) != tt.refused {
				t.Errorf("stale %v, %v", stale, err)
			}
			if err != nil && !strings.Contains(err.Error(), "is running") {
				t.Error(err)
			}
		})
	}
	if stale, err := CheckPid(filepath.Join(t.TempDir(), "none")); stale || err != nil {
		t.Errorf("without a file: stale %v, %v", stale, err)
	}
}

func TestPidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	p := NewPidFile(path)
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before it is written")
	}
	if err := os.WriteFile(path, []byte("99999999999 and more than the new text"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("%q, %v", b, err)
	}
	p.Remove()
	p.Remove()
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	// Not through a link, which others could have put there.
	target := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := NewPidFile(path).Write(); err == nil {
		t.Error("a link was followed")
	}
	if b, _ := os.ReadFile(target); string(b) != "precious" {
		t.Errorf("the file behind the link is %q", b)
	}
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		user, group string
		uid, gid    int
		bad         bool
	}{
		{user: "root", uid: 0, gid: 0},
		{user: "0", uid: 0, gid: 0},
		{user: "root", group: "12345", uid: 0, gid: 12345},
		{group: "root", uid: -1, gid: 0},
		{user: "54321", group: "12345", uid: 54321, gid: 12345},
		{user: "54321", bad: true}, // which group would it have?
		{user: "no such user", bad: true},
		{user: "-1", bad: true},
		{user: "root", group: "no such group", bad: true},
		{group: "4294967295", bad: true}, // to the kernel it means: as it is
	} {
		t.Run(tt.user+":"+tt.group, func(t *testing.T) {
			id, err := Resolve(tt.user, tt.group)
			if (err != nil) != tt.bad {
				t.Fatalf("%v, %v", id, err)
			}
			if err == nil && (id.UID != tt.uid || id.GID != tt.gid) {
				t.Errorf("%+v", id)
			}
		})
	}
}
