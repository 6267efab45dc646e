package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// backgroundVar tells a process that Background started it, and names the descriptor by which its parent waits.
const backgroundVar = "SENTINEL_BACKGROUND"

// Background starts this program again, with the same arguments, in a session of its own, and waits until that process says Up or
// has ended. It returns the exit status for this one: 0 when the other one is up, that of the other one when it is not. Until it is up
// the other process has this one's standard output and error, so that its messages are seen.
func Background() (status int, err error) {
	path, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("cannot find this program: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 1, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		w.Close()
		return 1, err
	}
	defer null.Close()
	cmd := &exec.Cmd{Path: path, Args: os.Args, Stdin: null, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{w},
		Env: append(os.Environ(), backgroundVar+"=3"), SysProcAttr: newSession()}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 1, fmt.Errorf("cannot start in the background: %w", err)
	}
	up := make(chan bool, 1)
	go func() {
		var b [1]byte
		n, _ := r.Read(b[:])
		up <- n == 1
	}()
	for {
		select {
		case <-signals:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		case ok := <-up:
			if ok {
				return 0, cmd.Process.Release()
			}
			return ended(cmd.Wait())
		}
	}
}

// ended turns the end of a process into an exit status.
func ended(err error) (int, error) {
	var e *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &e) && e.ExitCode() >= 0:
		return e.ExitCode(), nil
	}
	return 1, fmt.Errorf("the process in the background ended before it was up: %w", err)
}

// A Parent is the process that waits for this one to be up. All methods are safe on nil, which stands for none.
type Parent struct{ pipe, null *os.File }

// Waiting returns the process that waits for this one, or nil. It is called once, at the start.
func Waiting() *Parent {
	fd, err := strconv.Atoi(os.Getenv(backgroundVar))
	if err != nil || fd < 3 {
		return nil
	}
	os.Unsetenv(backgroundVar)
	keepFromChildren(fd)
	p := &Parent{pipe: os.NewFile(uintptr(fd), "parent")}
	p.null, _ = os.OpenFile(os.DevNull, os.O_RDWR, 0) // now: later the process may not be allowed to
	return p
}

// Up lets the parent go: it ends with status 0. From then on standard input, output and error are the null device.
func (p *Parent) Up() error {
	if p == nil {
		return nil
	}
	if p.null != nil {
		defer p.null.Close()
		if err := silence(p.null); err != nil {
			return err
		}
	}
	if _, err := p.pipe.Write([]byte{1}); err != nil { // nobody waits any more
		return nil
	}
	return p.pipe.Close()
}
