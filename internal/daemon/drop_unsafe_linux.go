package daemon

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// A Capability is a right of root's that a process can have alone.
type Capability uint

// The capabilities that a daemon on a network may need.
const (
	NetAdmin Capability = unix.CAP_NET_ADMIN // promiscuous mode, XDP, netfilter queues
	NetRaw   Capability = unix.CAP_NET_RAW   // packet sockets
	IPCLock  Capability = unix.CAP_IPC_LOCK  // memory that is not swapped, huge pages
	SysNice  Capability = unix.CAP_SYS_NICE  // priorities and processors of threads
	RawIO    Capability = unix.CAP_SYS_RAWIO // physical addresses, for poll-mode drivers
	BPF      Capability = unix.CAP_BPF       // programs and maps
	PerfMon  Capability = unix.CAP_PERFMON   // what programs may do with pointers
)

// Drop makes all threads of the process run as id, with no capabilities but keep (as far as the process has them). It cannot be
// undone: neither a file nor a program that is started gives rights back.
func Drop(id *Identity, keep []Capability) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&hdr, &have[0]); err != nil {
		return fmt.Errorf("cannot read the capabilities: %w", err)
	}
	var set [2]unix.CapUserData
	for _, c := range keep {
		word, bit := c/32, uint32(1)<<(c%32)
		if int(word) < len(set) && have[word].Permitted&bit != 0 {
			set[word].Permitted |= bit
			set[word].Effective |= bit
		}
	}
	for c := range Capability(unix.CAP_LAST_CAP + 1) {
		if have[0].Effective&(1<<unix.CAP_SETPCAP) == 0 || set[c/32].Permitted&(1<<(c%32)) != 0 {
			continue
		}
		if err := all("prctl(PR_CAPBSET_DROP)", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c)); err != nil && !errors.Is(err, unix.EINVAL) {
			return err // EINVAL: a kernel that does not know the capability
		}
	}
	if err := all("prctl(PR_SET_KEEPCAPS)", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1); err != nil {
		return err
	}
	if err := id.assume(); err != nil {
		return err
	}
	if err := all("prctl(PR_CAP_AMBIENT)", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
		return err
	}
	hdr.Pid = 0 // each thread its own
	if err := all("capset", unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&set[0]))); err != nil {
		return err
	}
	runtime.KeepAlive(&hdr)
	runtime.KeepAlive(&set)
	if err := all("prctl(PR_SET_KEEPCAPS)", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0); err != nil {
		return err
	}
	return all("prctl(PR_SET_NO_NEW_PRIVS)", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
}

// assume changes the groups, the group and the user of all threads, in this order: the user is what allows the others.
func (id *Identity) assume() error {
	if id.GID >= 0 {
		groups := make([]uint32, max(len(id.Groups), 1))
		for i, g := range id.Groups {
			groups[i] = uint32(g)
		}
		if err := all("setgroups", unix.SYS_SETGROUPS, uintptr(len(id.Groups)), uintptr(unsafe.Pointer(&groups[0]))); err != nil {
			return err
		}
		runtime.KeepAlive(groups)
		if err := all("setresgid", unix.SYS_SETRESGID, uintptr(id.GID), uintptr(id.GID), uintptr(id.GID)); err != nil {
			return err
		}
	}
	if id.UID >= 0 {
		return all("setresuid", unix.SYS_SETRESUID, uintptr(id.UID), uintptr(id.UID), uintptr(id.UID))
	}
	return nil
}

// all makes a system call on every thread of the process, those that C started too.
func all(name string, call uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := psx.Syscall6(call, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return fmt.Errorf("%s: %w", name, errno)
	}
	return nil
}
