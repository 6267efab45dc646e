package affinity

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A thread is where it was put, and no other thread is.
func TestPin(t *testing.T) {
	m := Here()
	list := m.Allowed.List()
	if len(list) < 2 {
		t.Skip("needs two processors")
	}
	done := make(chan error, 1)
	pinned := ""
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		pinned = fmt.Sprintf("/proc/self/task/%d/status", unix.Gettid())
		place := Place{CPUs: set(list[1]), Priority: Low}
		if err := Pin(place); err != nil {
			done <- err
			return
		}
		b, err := os.ReadFile("/proc/thread-self/status")
		if err == nil && !strings.Contains(string(b), "\nCpus_allowed_list:\t"+place.CPUs.String()+"\n") {
			t.Errorf("the thread is elsewhere:\n%s", b)
		}
		if p, perr := unix.Getpriority(unix.PRIO_PROCESS, 0); perr != nil || 20-p != int(Low) {
			t.Errorf("niceness %d, %v", 20-p, perr)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) < 2 {
		t.Fatal(tasks, err)
	}
	want := "\nCpus_allowed_list:\t" + m.Allowed.String() + "\n"
	for _, f := range tasks {
		b, err := os.ReadFile(f)
		if err == nil && f != pinned && !strings.Contains(string(b), want) {
			t.Errorf("another thread was moved too:\n%s", b)
		}
	}
}
