package daemon

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in the kernel's struct seccomp_data, and the words of a classic BPF program.
const (
	offsetCall = 0
	offsetArch = 4
	offsetArg0 = 16 // its low half, on little-endian machines

	load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	atMost = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	anyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	answer = unix.BPF_RET | unix.BPF_K
)

// NoProcesses keeps all threads of the process from starting programs and other processes; new threads are still made. RLIMIT_NPROC,
// which has the same aim, counts threads: a Go program under it dies when it needs one more, and root is not bound by it. It cannot be
// undone.
func NoProcesses() error {
	arch, calls, ok := processCalls()
	if !ok {
		return errors.ErrUnsupported
	}
	runtime.LockOSThread() // what is set for this thread first is given to the others by the second call
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	filter := noProcessFilter(arch, calls)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// noProcessFilter is the program that the kernel runs before each system call. It answers EPERM to the calls, and to clone(2) of
// anything but a thread. Flags of clone3(2) are out of its sight: libraries fall back to clone when that is not there.
func noProcessFilter(arch uint32, calls []uint32) []unix.SockFilter {
	refuse := func(errno uint32) unix.SockFilter {
		return unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ERRNO | errno}
	}
	allow := unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW}
	f := []unix.SockFilter{
		{Code: load, K: offsetArch},
		{Code: equal, K: arch, Jt: 1}, // else calls of another word size, which have other numbers
		refuse(uint32(unix.EPERM)),
		{Code: load, K: offsetCall},
		{Code: atMost, K: 0x40000000, Jf: 1}, // x32
		refuse(uint32(unix.EPERM)),
	}
	for _, c := range calls {
		f = append(f, unix.SockFilter{Code: equal, K: c, Jf: 1}, refuse(uint32(unix.EPERM)))
	}
	return append(f,
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE3, Jf: 1}, refuse(uint32(unix.ENOSYS)),
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE, Jt: 1}, allow,
		unix.SockFilter{Code: load, K: offsetArg0},
		unix.SockFilter{Code: anyBit, K: unix.CLONE_THREAD, Jt: 1}, refuse(uint32(unix.EPERM)),
		allow)
}
