package daemon

import (
	"os"

	"golang.org/x/sys/unix"
)

// limit sets a soft limit, and the hard one where it must be raised and may be.
func limit(l *unix.Rlimit, want uint64) {
	if want > l.Max && os.Geteuid() == 0 {
		l.Max = want
	}
	l.Cur = min(want, l.Max)
}

// dumpable allows core files of a process that has changed its user.
func dumpable(yes bool) error {
	v := uintptr(0)
	if yes {
		v = 1
	}
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, v, 0, 0, 0))
}
