//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW

// alive reports whether there is a process with this id that may be one of ours. Ids are used again: one that is known to be of
// another program is not.
func alive(pid int) bool {
	if err := unix.Kill(pid, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return false
	}
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return true // no /proc, no right to look, or replaced by a new version since
	}
	ours, err := os.Stat("/proc/self/exe")
	return err != nil || os.SameFile(theirs, ours) || sameName(pid)
}

// sameName reports whether a process has this one's name, as one that was started from another copy of the program has.
func sameName(pid int) bool {
	theirs, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return true
	}
	ours, err := os.ReadFile("/proc/self/comm")
	return err != nil || string(theirs) == string(ours)
}
