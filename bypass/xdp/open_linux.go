package xdp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/internal/xdp"
	"sentinel/stream/flow"
)

// defaultFlows is the flows of each IP version that an interface has room for unless bypass.max-flows says otherwise: about 30 MiB.
const defaultFlows = 65536

// maxFlows bounds that setting.
const maxFlows = 1 << 22

// Open puts the program on those targets of a run that have bypass switched on. It returns nil without such a target.
func Open(targets []capture.Target) (bypass.Offloader, error) { return open(targets, modeOf) }

// OpenShared is Open for a capture that has the program on its interfaces already: its mode is taken over.
func OpenShared(targets []capture.Target) (bypass.Offloader, error) {
	return open(targets, func(*capture.Target) (xdp.Mode, error) { return xdp.Auto, nil })
}

func open(targets []capture.Target, modeOf func(*capture.Target) (xdp.Mode, error)) (bypass.Offloader, error) {
	o := &Offloader{ifaces: map[uint16]*iface{}, flows: map[flow.Key]*carried{}}
	byName := map[string]*iface{}
	var errs []error
	for i := range targets {
		t := &targets[i]
		if !t.Get("bypass").Bool(false) {
			continue
		}
		f, err := openIface(t, modeOf)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.ifaces[t.Index], byName[t.Name] = f, f
	}
	for i := range targets {
		t := &targets[i]
		if mode, to, err := t.CopyMode(); err == nil && mode != "none" && o.ifaces[t.Index] != nil {
			o.ifaces[t.Index].peer = byName[to]
		}
	}
	if len(o.ifaces) == 0 {
		return nil, errors.Join(errs...)
	}
	return o, errors.Join(errs...)
}

func openIface(t *capture.Target, modeOf func(*capture.Target) (xdp.Mode, error)) (*iface, error) {
	mode, err := modeOf(t)
	if err != nil {
		return nil, err
	}
	n := defaultFlows
	if x := t.Root.Get("bypass.max-flows"); x.Exists() {
		v, err := x.IntIn(defaultFlows, 1, maxFlows)
		if err != nil {
			return nil, err
		}
		n = int(v)
	}
	opts := xdp.Options{Interface: t.Name, Mode: mode, Flows: 2 * n, IgnoreVLAN: !t.Root.Get("vlan.use-for-tracking").Bool(true)}
	f := &iface{name: t.Name, index: t.Index, action: xdp.Drop, novlan: opts.IgnoreVLAN, room: n}
	inline, to, err := t.CopyMode()
	switch {
	case err != nil:
		return nil, err
	case inline != "none":
		opts.Peer, f.action = to, xdp.Redirect
	default:
		if a := address(t.Name); a != "" {
			return nil, fmt.Errorf("cannot bypass flows of %s by XDP: the host itself uses the interface (%s), and would not get the bypassed "+
				"packets; capture on an interface without address, or set bypass: no", t.Name, a)
		}
	}
	if f.program, err = xdp.Share(opts); err != nil {
		return nil, fmt.Errorf("cannot bypass flows of %s by XDP: %w", t.Name, err)
	}
	f.slots = f.program.Slots()
	if inline != "none" && f.program.Mode() != xdp.Generic {
		if ok, err := transmits(to); err == nil && !ok {
			err = errors.New("its driver does not send what XDP redirects to it: use the generic mode (xdp-mode: soft of af-packet, " +
				"force-xdp-mode: skb of af-xdp); with veth, switch gro on at its other end")
			return nil, errors.Join(fmt.Errorf("cannot bypass flows of %s by XDP in %s mode to %s: %w", t.Name, f.program.Mode(), to, err), f.program.Close())
		} else if err != nil {
			t.Log.Warnf("cannot find out whether %s sends what XDP redirects to it (%v): see that bypassed flows come through", to, err)
		}
	}
	for _, key := range []string{"xdp-filter-file", "pinned-maps", "pinned-maps-name", "use-percpu-hash", "no-percpu-hash", "xdp-cpu-redirect"} {
		if n := t.Get(key); n.Exists() && n.Str("") != "" {
			t.Log.Infof("%s: %s of %s is not needed: the engine has an XDP program of its own, with maps that it keeps to itself", n.Pos(), key, t.Name)
		}
	}
	why := ""
	if s := f.program.Fallback(); s != "" {
		why = " (" + s + ")"
	}
	t.Log.Infof("flows of %s are bypassed by XDP in %s mode%s, up to %d of each IP version", t.Name, f.program.Mode(), why, n)
	return f, nil
}

// modeOf reads xdp-mode. What is forwarded is so by the generic mode where it is not known that the driver of the other side sends
// what this one redirects.
func modeOf(t *capture.Target) (xdp.Mode, error) {
	n := t.Get("xdp-mode")
	switch n.Str("") {
	case "", "auto":
		if mode, to, _ := t.CopyMode(); mode != "none" {
			if ok, err := transmits(to); !ok || err != nil {
				return xdp.Generic, nil
			}
		}
		return xdp.Auto, nil
	case "soft":
		return xdp.Generic, nil
	case "driver":
		return xdp.Native, nil
	case "hw":
		return xdp.Offload, nil
	}
	return xdp.Auto, fmt.Errorf("%s: unknown xdp-mode %q of %s: use driver, soft or hw", n.Pos(), n.Str(""), t.Name)
}

// address returns an address by which hosts reach this one through the interface; "" = none. Link-local ones come by themselves.
func address(name string) string {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return ""
	}
	list, err := i.Addrs()
	if err != nil {
		return ""
	}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			return p.String()
		}
	}
	return ""
}
