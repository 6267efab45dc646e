package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// A PidFile holds the process id of a running daemon.
type PidFile struct {
	path string
	f    *os.File // made ahead of Write; nil without
}

// CheckPid makes sure that no running process is behind the file: an error names the one that is. A file without one was left
// behind, stale reports that, and is replaced by Write.
func CheckPid(path string) (stale bool, err error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("pid file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return false, fmt.Errorf("pid file: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 || pid == os.Getpid() || !alive(pid) {
		return true, nil
	}
	return false, fmt.Errorf("pid file %s: process %d is running: stop it first, or name another file", path, pid)
}

// NewPidFile returns the file, which is not there yet.
func NewPidFile(path string) *PidFile { return &PidFile{path: path} }

// Prepare makes the file, empty, while the process still has the rights for it, and gives it to the user who will write it.
func (p *PidFile) Prepare(uid, gid int) error {
	if p == nil {
		return nil
	}
	if err := p.create(); err != nil {
		return err
	}
	if err := p.f.Chown(uid, gid); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}

func (p *PidFile) create() error {
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|noFollow, 0o644)
	if err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	p.f = f
	return nil
}

// Write puts this process's id into the file.
func (p *PidFile) Write() error {
	if p == nil {
		return nil
	}
	if p.f == nil {
		if err := p.create(); err != nil {
			return err
		}
	}
	if _, err := p.f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}

// Remove removes the file. Where the process has no rights to its folder any more, the file is emptied, which is as good: nobody
// is behind it.
func (p *PidFile) Remove() {
	if p == nil || p.f == nil {
		return
	}
	if os.Remove(p.path) != nil {
		_ = p.f.Truncate(0)
	}
	p.f.Close()
	p.f = nil
}

// Path is where the file is.
func (p *PidFile) Path() string { return p.path }
