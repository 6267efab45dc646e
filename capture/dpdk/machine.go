//go:build dpdk && cgo

package dpdk

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sentinel/internal/cpulist"
)

// machine reads the processors that this process may use.
func machine() Topology {
	var set unix.CPUSet
	err := unix.SchedGetaffinity(os.Getpid(), &set)
	return readTopology(os.DirFS("/"), func(cpu int) bool { return err != nil || set.IsSet(cpu) })
}

// allowedCPUs is the list of the processors that this process may use.
func allowedCPUs() string {
	var set unix.CPUSet
	if unix.SchedGetaffinity(os.Getpid(), &set) != nil {
		return "0"
	}
	var list []int
	for c := range 1024 {
		if set.IsSet(c) {
			list = append(list, c)
		}
	}
	return cpulist.Format(list)
}

// leftPages is how many bytes of huge pages files hold that a program of the same prefix has left when it ended: DPDK takes them anew.
func leftPages(dir, prefix string) (bytes int) {
	files, _ := filepath.Glob(filepath.Join(dir, prefix+"map_*"))
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			if st, err := f.Stat(); err == nil {
				bytes += int(st.Size())
			}
		}
		f.Close()
	}
	return bytes
}

// pin binds a source's thread to a core while it reads.
type pin struct {
	wanted, done bool
	before       unix.CPUSet
	tid          int
}

func (p *pin) take(cpu int) {
	p.done = true
	if cpu < 0 || unix.SchedGetaffinity(0, &p.before) != nil {
		return
	}
	var set unix.CPUSet
	set.Set(cpu)
	if unix.SchedSetaffinity(0, &set) == nil {
		p.tid = unix.Gettid()
	}
}

// leave gives the thread back as it was: others may run on it when the source is not read any more.
func (p *pin) leave() {
	if p.tid != 0 && p.tid == unix.Gettid() {
		unix.SchedSetaffinity(0, &p.before)
	}
	p.tid, p.done = 0, false
}

// findSockets finds the packet sockets that the driver has opened for a port on a kernel interface. The driver does not tell what they
// lose, and the kernel does.
func (h *port) findSockets() {
	h.socks, h.lost = nil, 0
	if h.plan.Quirk.Losses != LossesSocket {
		return
	}
	args, _ := env.eal.vdev(h.name)
	iface := ""
	for _, a := range strings.Split(args, ",") {
		if v, ok := strings.CutPrefix(a, "iface="); ok {
			iface = v
		}
	}
	var index int
	env.do(func() { index = ifindex(iface) })
	if index == 0 {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd := 0
		for _, c := range e.Name() {
			fd = fd*10 + int(c-'0')
		}
		if d, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || d != unix.AF_PACKET {
			continue
		}
		a, err := unix.Getsockname(fd)
		if err != nil {
			continue
		}
		if ll, ok := a.(*unix.SockaddrLinklayer); !ok || ll.Ifindex != index {
			continue
		}
		// A descriptor of our own: the driver may close its one.
		if own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			unix.GetsockoptTpacketStats(own, unix.SOL_PACKET, unix.PACKET_STATISTICS) // what was before is not ours
			h.socks = append(h.socks, own)
		}
	}
}

// ifindex is the number of a kernel interface in the network namespace of the calling thread; 0 = there is none.
func ifindex(name string) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r) != nil {
		return 0
	}
	return int(r.Uint32())
}
