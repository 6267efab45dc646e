package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// veth makes two interfaces, of which each receives what the other sends. They have no IPv6, so that nothing is sent of itself, and frames
// are as on a wire: no offloads.
func veth(a, b string) error {
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a, TxQLen: 1000}, PeerName: b}); err != nil {
		return fmt.Errorf("making %s and %s: %w", a, b, err)
	}
	for _, name := range []string{a, b} {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		if out, err := exec.Command("ethtool", "-K", name, "tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx", "off").CombinedOutput(); err != nil {
			return fmt.Errorf("switching offloads of %s off: %w: %s", name, err, out)
		}
	}
	for _, name := range []string{a, b} {
		if err := up(name); err != nil {
			return err
		}
	}
	for range 1000 {
		if l, err := netlink.LinkByName(a); err == nil && l.Attrs().OperState == netlink.OperUp {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

func up(name string) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("%s up: %w", name, err)
	}
	return nil
}

// host is a network namespace with one interface.
type host struct {
	cmd   *exec.Cmd
	stdin io.Closer
	self  string
}

// newHost moves an interface into a namespace of its own.
func newHost(name, cidr string) (*host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &host{cmd: exec.Command(self, "host"), self: self}
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetNsPid(l, h.cmd.Process.Pid)
	}
	if err != nil {
		h.close()
		return nil, fmt.Errorf("moving %s: %w", name, err)
	}
	for _, args := range []string{"link set lo up", "addr add " + cidr + " dev " + name, "link set " + name + " up"} {
		if out, err := h.command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			h.close()
			return nil, fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return h, nil
}

// command is a program in the host.
func (h *host) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(h.self, append([]string{"in", strconv.Itoa(h.cmd.Process.Pid), name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// own is this program, in the host.
func (h *host) own(args ...string) *exec.Cmd { return h.command(h.self, args...) }

func (h *host) close() {
	_ = h.stdin.Close()
	_ = h.cmd.Wait()
}
