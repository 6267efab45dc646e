package live

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Skip skips the test for a reason, or fails it with SENTINEL_LIVE=must.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SENTINEL_LIVE") == "must" {
		t.Fatalf("SENTINEL_LIVE=must, but: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Net is a network namespace that the goroutine of the test is in until the test ends. Subtests and other goroutines
// are not; sockets that were opened in it stay in it wherever they are used.
type Net struct{ t testing.TB }

// New moves the goroutine into a new namespace. It skips the test where that is not allowed.
func New(t testing.TB) *Net {
	t.Helper()
	runtime.LockOSThread()
	// The path of the thread, not of the process, whose first thread may be in another namespace.
	old, err := unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		Skip(t, "cannot see the network namespace: %v", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		unix.Close(old)
		runtime.UnlockOSThread()
		if errors.Is(err, unix.EPERM) {
			Skip(t, "needs the capability CAP_SYS_ADMIN to make a network namespace: run as root")
		}
		Skip(t, "cannot make a network namespace: %v", err)
	}
	t.Cleanup(func() {
		err := unix.Setns(old, unix.CLONE_NEWNET)
		unix.Close(old)
		if err != nil {
			t.Errorf("cannot leave the network namespace: %v", err)
			return // the thread stays locked, and ends with the goroutine
		}
		runtime.UnlockOSThread()
	})
	n := &Net{t}
	n.Up("lo")
	return n
}

// Here is the network namespace that the process is in. It is for a program that a test has started in its own one.
func Here(t testing.TB) *Net { return &Net{t} }

func (n *Net) must(what string, err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("%s: %v", what, err)
	}
}

func (n *Net) link(name string) netlink.Link {
	n.t.Helper()
	l, err := netlink.LinkByName(name)
	n.must("interface "+name, err)
	return l
}

// Pair makes two interfaces, up, of which each receives what the other sends. They have no IPv6, so that nothing is
// sent but what the test sends.
func (n *Net) Pair(a, b string) {
	n.t.Helper()
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a, TxQLen: 1000}, PeerName: b})
	if errors.Is(err, unix.EOPNOTSUPP) {
		Skip(n.t, "the kernel has no veth interfaces")
	}
	n.must("making "+a+" and "+b, err)
	for _, name := range []string{a, b} {
		n.noIPv6(name)
		n.Up(name)
	}
}

// noIPv6 keeps the kernel from sending router solicitations and the like.
func (n *Net) noIPv6(name string) {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		n.must("switching IPv6 off", err)
	}
}

// Up brings an interface up.
func (n *Net) Up(name string) {
	n.t.Helper()
	n.must(name+" up", netlink.LinkSetUp(n.link(name)))
	n.settle(name)
}

// settle waits until frames can pass between an interface and its peer: for a moment after both are up the kernel drops what is
// sent without a word. It does not wait for a peer that is down or in another namespace.
func (n *Net) settle(name string) {
	for range 2000 {
		l, err := netlink.LinkByName(name)
		if err != nil || l.Type() != "veth" {
			return
		}
		peer, err := netlink.LinkByIndex(l.Attrs().ParentIndex)
		if err != nil || peer.Attrs().Flags&net.FlagUp == 0 ||
			l.Attrs().OperState == netlink.OperUp && peer.Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Address gives an interface that stays in the test's namespace an address such as 10.0.0.1/24.
func (n *Net) Address(name, cidr string) {
	n.t.Helper()
	addr, err := netlink.ParseAddr(cidr)
	n.must("address "+cidr, err)
	n.must("address of "+name, netlink.AddrAdd(n.link(name), addr))
}

// Down takes an interface down.
func (n *Net) Down(name string) {
	n.t.Helper()
	n.must(name+" down", netlink.LinkSetDown(n.link(name)))
}

// Delete removes an interface, and with a pair the other one too.
func (n *Net) Delete(name string) {
	n.t.Helper()
	n.must("deleting "+name, netlink.LinkDel(n.link(name)))
}

// Host is a namespace of its own, with one interface of the test's.
type Host struct {
	t    testing.TB
	work chan func()
}

// Host moves an interface into a namespace of its own and gives it an address such as 10.0.0.1/24.
func (n *Net) Host(name, cidr string) *Host {
	n.t.Helper()
	l := n.link(name)
	addr, err := netlink.ParseAddr(cidr)
	n.must("address "+cidr, err)
	h := &Host{n.t, make(chan func())}
	fds := make(chan int)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and the namespace with it
		fd := -1
		if unix.Unshare(unix.CLONE_NEWNET) == nil {
			// As in Pair. An interface that comes into a namespace has that one's settings.
			for _, name := range []string{"all", "default"} {
				_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
			}
			fd, _ = unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		fds <- fd
		for f := range h.work {
			f()
		}
	}()
	fd := <-fds
	n.t.Cleanup(func() { close(h.work) })
	if fd < 0 {
		n.t.Fatal("cannot make a network namespace")
	}
	defer unix.Close(fd)
	n.must("moving "+name, netlink.LinkSetNsFd(l, fd))
	h.Do(func() {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = errors.Join(netlink.AddrAdd(l, addr), netlink.LinkSetUp(l))
		}
		if err != nil {
			n.t.Errorf("setting up %s: %v", name, err)
		}
	})
	return h
}

// Do calls f in the host's namespace and waits for it. Sockets that f opens stay there. f must not call t.Fatal.
func (h *Host) Do(f func()) {
	done := make(chan struct{})
	h.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// MAC returns an interface's hardware address.
func (n *Net) MAC(name string) net.HardwareAddr {
	n.t.Helper()
	return n.link(name).Attrs().HardwareAddr
}

// Sender sends frames on an interface.
type Sender struct {
	fd   int
	addr unix.SockaddrLinklayer
}

// Sender opens a sender, which is closed when the test ends.
func (n *Net) Sender(name string) *Sender {
	n.t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	n.must("packet socket", err)
	n.t.Cleanup(func() { unix.Close(fd) })
	return &Sender{fd, unix.SockaddrLinklayer{Ifindex: n.link(name).Attrs().Index}}
}

// Send sends a whole frame.
func (s *Sender) Send(frame []byte) error { return unix.Sendto(s.fd, frame, 0, &s.addr) }
