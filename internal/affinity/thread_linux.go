package affinity

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func (s Set) unix() *unix.CPUSet {
	var c unix.CPUSet
	for _, cpu := range s.List() {
		c.Set(cpu)
	}
	return &c
}

// allowed are the processors of the process's first thread.
func allowed() Set {
	var c unix.CPUSet
	var s Set
	if unix.SchedGetaffinity(os.Getpid(), &c) == nil {
		for cpu := range MaxCPU {
			if c.IsSet(cpu) {
				s.Add(cpu)
			}
		}
	}
	return s
}

// Pin puts the calling thread in its place. The goroutine must be locked to it (runtime.LockOSThread). A place whose priority may not
// be had is taken without, and told.
func Pin(p Place) error {
	tid := unix.Gettid()
	if err := unix.SchedSetaffinity(tid, p.CPUs.unix()); err != nil {
		return fmt.Errorf("cannot run on processors %s: %w", p.CPUs, err)
	}
	now, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err == nil && 20-now == int(p.Priority) { // the system call answers 40 to 1
		return nil
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, tid, int(p.Priority)); err != nil {
		return fmt.Errorf("cannot have the priority %s: %w: it needs CAP_SYS_NICE", p.Priority, err)
	}
	return nil
}

// PinProcess puts all threads that there are on the processors of a set; threads that they start are there too.
func PinProcess(s Set) error {
	// Threads that start while the list is read may be missed in the first round, and cannot be in the second: their parents are there.
	for range 2 {
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, e := range list {
			tid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(tid, s.unix()); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("cannot run on processors %s: %w", s, err)
			}
		}
	}
	return nil
}
