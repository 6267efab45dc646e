package tcp

import (
	"net/netip"

	"sentinel/decode"
)

// Policy is how an operating system treats overlapping segments, resets and timestamps (target-based reassembly,
// Novak and Sturges 2007).
type Policy uint8

// The policies, in Suricata's order. BSDRight acts as BSD and OldSolaris as Solaris.
const (
	PolicyUnset Policy = iota
	PolicyNone
	PolicyBSD
	PolicyBSDRight
	PolicyOldLinux
	PolicyLinux
	PolicyOldSolaris
	PolicySolaris
	PolicyHPUX10
	PolicyHPUX11
	PolicyIRIX
	PolicyMacOS
	PolicyWindows
	PolicyVista
	PolicyWindows2K3
	PolicyFirst
	PolicyLast
	policyCount
)

var policyNames = [policyCount]string{"", "none", "bsd", "bsd-right", "old-linux", "linux", "old-solaris", "solaris",
	"hpux10", "hpux11", "irix", "macos", "windows", "vista", "windows2k3", "first", "last"}

func (p Policy) String() string {
	if p < policyCount {
		return policyNames[p]
	}
	return "invalid"
}

// PolicyByName finds a policy by its name in host-os-policy; "-" and "_" are equal there.
func PolicyByName(name string) (Policy, bool) {
	for p := PolicyNone; p < policyCount; p++ {
		if equalName(policyNames[p], name) {
			return p, true
		}
	}
	return 0, false
}

func equalName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if y == '_' {
			y = '-'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// Hosts says which host follows which policy: host-os-policy.
type Hosts struct {
	v4, v6 []hostNet
}

type hostNet struct {
	net    netip.Prefix
	policy Policy
}

// Add gives the hosts of a network a policy. The longest network wins, then the latest.
func (h *Hosts) Add(n netip.Prefix, p Policy) {
	l := &h.v6
	if n.Addr().Is4() {
		l = &h.v4
	}
	i := 0
	for i < len(*l) && (*l)[i].net.Bits() > n.Bits() {
		i++
	}
	*l = append(*l, hostNet{})
	copy((*l)[i+1:], (*l)[i:])
	(*l)[i] = hostNet{n.Masked(), p}
}

// of returns the policy of the packet's destination. It is asked once a stream.
func (h *Hosts) of(p *decode.Packet) Policy {
	got := PolicyBSD
	if h != nil && p != nil {
		l, a := h.v6, netip.AddrFrom16(p.Dst)
		if p.IPVersion == 4 {
			l, a = h.v4, netip.AddrFrom4([4]byte(p.Dst[:4]))
		}
		for i := range l {
			if l[i].net.Contains(a) {
				got = l[i].policy
				break
			}
		}
	}
	switch got {
	case PolicyBSDRight:
		return PolicyBSD
	case PolicyOldSolaris:
		return PolicySolaris
	}
	return got
}

// keepsNew reports whether a new segment from nb to ne replaces the data of an old one from ob to oe where they overlap.
func (p Policy) keepsNew(nb, ne, ob, oe uint32) bool {
	if p == PolicyLast {
		return true
	}
	end := int32(ne - oe)
	switch start := int32(nb - ob); {
	case start == 0:
		switch p {
		case PolicyLinux:
			return end > 0
		case PolicyOldLinux, PolicySolaris, PolicyHPUX11:
			return end >= 0
		}
	case start < 0:
		switch p {
		case PolicyBSD, PolicyHPUX10, PolicyIRIX, PolicyWindows, PolicyWindows2K3, PolicyOldLinux, PolicyLinux, PolicyMacOS:
			return true
		case PolicySolaris, PolicyHPUX11:
			return end >= 0
		}
	default:
		return end > 0 && (p == PolicySolaris || p == PolicyHPUX11)
	}
	return false
}
