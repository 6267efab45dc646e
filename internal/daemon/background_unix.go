//go:build unix

package daemon

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// CanBackground says whether a process can go into the background here.
const CanBackground = true

func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func keepFromChildren(fd int) { syscall.CloseOnExec(fd) }

// silence makes the three standard streams the null device.
func silence(null *os.File) error {
	for fd := range 3 {
		if err := unix.Dup2(int(null.Fd()), fd); err != nil {
			return os.NewSyscallError("dup2", err)
		}
	}
	return nil
}

// Umask sets which rights files that are made do not get.
func Umask(mask int) { unix.Umask(mask) }

// CoreLimit bounds the size of what is written when the process crashes; negative = no bound. It does not raise a bound that the
// process may not raise.
func CoreLimit(size int64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	want := uint64(size)
	if size < 0 {
		want = uint64(unix.RLIM_INFINITY & (1<<64 - 1))
	}
	limit(&l, want)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &l); err != nil {
		return os.NewSyscallError("setrlimit", err)
	}
	return dumpable(size != 0)
}
