package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"sentinel/bypass"
	"sentinel/internal/xdp"
)

// Indices of the counters.
const (
	countHosts = iota
	countNetworks
)

// Early drops hosts and networks in the XDP programs of interfaces. It implements bypass.EarlyDropper.
type Early struct {
	programs []*xdp.Program
	maxHosts int
	hosts    map[netip.Addr]int64 // until
	networks map[netip.Prefix]bool
}

// OpenEarly puts the program on interfaces, with room for so many hosts and networks. mode is as in xdp-mode.
func OpenEarly(interfaces []string, mode string, hosts, networks int) (*Early, error) {
	m, ok := map[string]xdp.Mode{"": xdp.Auto, "auto": xdp.Auto, "soft": xdp.Generic, "driver": xdp.Native, "hw": xdp.Offload}[mode]
	if !ok {
		return nil, fmt.Errorf("unknown xdp-mode %q: use driver, soft or hw", mode)
	}
	e := &Early{maxHosts: hosts, hosts: map[netip.Addr]int64{}, networks: map[netip.Prefix]bool{}}
	for _, name := range interfaces {
		// One counter for all hosts, and one for all networks: the smallest tables have three.
		p, err := xdp.Share(xdp.Options{Interface: name, Mode: m, Hosts: max(hosts, 1), Networks: max(networks, 1)})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot drop early on %s: %w", name, err), e.Close())
		}
		e.programs = append(e.programs, p)
	}
	return e, nil
}

// DropHost implements bypass.EarlyDropper.
func (e *Early) DropHost(a netip.Addr, until int64) error {
	a = a.Unmap().WithZone("")
	if _, known := e.hosts[a]; !known && len(e.hosts) >= e.maxHosts {
		return bypass.ErrFull
	}
	v := xdp.HostValue{Until: monotonic(until), Counter: countHosts}
	var errs []error
	for _, p := range e.programs {
		var err error
		if a.Is4() {
			err = p.Hosts4().Put(xdp.Host4Key{Address: a.As4()}, v)
		} else {
			err = p.Hosts6().Put(xdp.Host6Key{Address: a.As16()}, v)
		}
		errs = append(errs, err)
	}
	e.hosts[a] = until
	return errors.Join(errs...)
}

// monotonic is the kernel's clock at a time of day; never 0, which stands for ever.
func monotonic(at int64) uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 1
	}
	return uint64(max(ts.Nano()+at-time.Now().UnixNano(), 1))
}

// AllowHosts implements bypass.EarlyDropper.
func (e *Early) AllowHosts(now int64) (left int, err error) {
	var errs []error
	for a, until := range e.hosts {
		if now < until {
			continue
		}
		delete(e.hosts, a)
		for _, p := range e.programs {
			var err error
			if a.Is4() {
				err = p.Hosts4().Delete(xdp.Host4Key{Address: a.As4()})
			} else {
				err = p.Hosts6().Delete(xdp.Host6Key{Address: a.As16()})
			}
			if !errors.Is(err, ebpf.ErrKeyNotExist) { // the map makes room by itself
				errs = append(errs, err)
			}
		}
	}
	return len(e.hosts), errors.Join(errs...)
}

// DropNetworks implements bypass.EarlyDropper.
func (e *Early) DropNetworks(list []netip.Prefix) error {
	want := make(map[netip.Prefix]bool, len(list))
	var errs []error
	for _, n := range list {
		// Addresses of IPv4 that are written as IPv6 are on the wire as IPv4.
		if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
		}
		want[n] = true
	}
	for n := range e.networks { // first, to make room
		if !want[n] {
			errs = append(errs, e.each(n, func(m *ebpf.Map, k any) error { return m.Delete(k) }))
			delete(e.networks, n)
		}
	}
	for n := range want {
		if e.networks[n] {
			continue
		}
		if err := e.each(n, func(m *ebpf.Map, k any) error { return m.Put(k, uint32(countNetworks)) }); err != nil {
			errs = append(errs, fmt.Errorf("cannot drop the network %s: %w", n, err))
			break // the next one fails as well
		}
		e.networks[n] = true
	}
	return errors.Join(errs...)
}

// each does something for a network on all interfaces.
func (e *Early) each(n netip.Prefix, do func(*ebpf.Map, any) error) error {
	for _, p := range e.programs {
		var err error
		if a := n.Addr(); a.Is4() {
			err = do(p.Networks4(), xdp.Network4Key{Prefix: uint32(n.Bits()), Address: a.As4()})
		} else {
			err = do(p.Networks6(), xdp.Network6Key{Prefix: uint32(n.Bits()), Address: a.As16()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Dropped implements bypass.EarlyDropper.
func (e *Early) Dropped() (d bypass.EarlyDrops, err error) {
	for _, p := range e.programs {
		for i, to := range [2][2]*uint64{countHosts: {&d.HostPkts, &d.HostBytes}, countNetworks: {&d.NetworkPkts, &d.NetworkBytes}} {
			var cpus []xdp.CounterValue
			if err := p.Counters().Lookup(uint32(i), &cpus); err != nil {
				return d, fmt.Errorf("cannot read the counters of early drops: %w", err)
			}
			for _, c := range cpus {
				*to[0] += c.Packets
				*to[1] += c.Bytes
			}
		}
	}
	return d, nil
}

// Close lets everything through again.
func (e *Early) Close() error {
	var errs []error
	for _, p := range e.programs {
		errs = append(errs, p.Close())
	}
	e.programs = nil
	return errors.Join(errs...)
}
