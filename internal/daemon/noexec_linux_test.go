package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// Variables that make the test program do something else.
const (
	waitVar = "SENTINEL_TEST_WAIT"
	lockVar = "SENTINEL_TEST_NOEXEC"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(waitVar) != "":
		_, _ = io.Copy(io.Discard, os.Stdin)
	case os.Getenv(lockVar) != "":
		os.Unsetenv(lockVar) // not for the processes that it starts
		if err := locked(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// locked gives up processes, and then needs many threads.
func locked() error {
	if err := exec.Command("/proc/self/exe", "-test.run", "none").Run(); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := NoProcesses(); err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make(chan error, 64)
	start := make(chan struct{})
	for range cap(errs) {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread() // each has a thread, and most of them a new one
			<-start
			if err := syscall.Exec("/proc/self/exe", []string{"x", "-test.run", "none"}, nil); !errors.Is(err, syscall.EPERM) {
				errs <- fmt.Errorf("exec: %w", err)
			}
			if err := exec.Command("/proc/self/exe", "-test.run", "none").Run(); !errors.Is(err, syscall.EPERM) {
				errs <- fmt.Errorf("fork: %w", err)
			}
			if b, err := os.ReadFile("/proc/self/status"); err != nil || len(b) == 0 {
				errs <- err
			}
		}()
	}
	close(start)
	all.Wait()
	close(errs)
	return <-errs
}

// A process that gave up new processes starts none from any of its threads, and still makes threads.
func TestNoProcesses(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Env = []string{lockVar + "=yes"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
