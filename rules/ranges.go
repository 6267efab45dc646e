package rules

import (
	"cmp"
	"net/netip"
	"slices"
)

// ip is an address as a number; IPv4 has hi = 0.
type ip struct{ hi, lo uint64 }

func (a ip) cmp(b ip) int {
	if c := cmp.Compare(a.hi, b.hi); c != 0 {
		return c
	}
	return cmp.Compare(a.lo, b.lo)
}

func (a ip) next() ip {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a
}

func (a ip) prev() ip {
	if a.lo == 0 {
		a.hi--
	}
	a.lo--
	return a
}

// span is a closed range of addresses.
type span struct{ from, to ip }

var (
	all4 = span{to: ip{0, 0xffffffff}}
	all6 = span{to: ip{^uint64(0), ^uint64(0)}}
)

// normalize sorts spans and joins those that touch or overlap.
func normalize(s []span) []span {
	slices.SortFunc(s, func(a, b span) int { return a.from.cmp(b.from) })
	out := s[:0]
	for _, x := range s {
		if n := len(out); n > 0 {
			last := &out[n-1]
			end := last.to.next()
			if (end == ip{}) || x.from.cmp(end) <= 0 {
				if x.to.cmp(last.to) > 0 {
					last.to = x.to
				}
				continue
			}
		}
		out = append(out, x)
	}
	return out
}

// subtract returns a without b; both are normalized.
func subtract(a, b []span) []span {
	if len(b) == 0 {
		return a
	}
	out := make([]span, 0, len(a)+len(b))
	j := 0
	for _, x := range a {
		for j < len(b) && b[j].to.cmp(x.from) < 0 {
			j++
		}
		gone := false
		for k := j; k < len(b) && b[k].from.cmp(x.to) <= 0; k++ {
			if b[k].from.cmp(x.from) > 0 {
				out = append(out, span{x.from, b[k].from.prev()})
			}
			if b[k].to.cmp(x.to) >= 0 {
				gone = true
				break
			}
			x.from = b[k].to.next()
		}
		if !gone {
			out = append(out, x)
		}
	}
	return out
}

func fromAddr(a netip.Addr) ip {
	if a.Is4() {
		b := a.As4()
		return ip{0, uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])}
	}
	b := a.As16()
	return ip{be64(b[:8]), be64(b[8:])}
}

func be64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
		uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])
}

func (a ip) addr(is4 bool) netip.Addr {
	if is4 {
		return netip.AddrFrom4([4]byte{byte(a.lo >> 24), byte(a.lo >> 16), byte(a.lo >> 8), byte(a.lo)})
	}
	var b [16]byte
	for i := range 8 {
		b[i] = byte(a.hi >> (56 - 8*i))
		b[8+i] = byte(a.lo >> (56 - 8*i))
	}
	return netip.AddrFrom16(b)
}

// maskSpan returns the network of an address: bits leading bits of width are kept.
func maskSpan(a ip, bits, width int) span {
	free := width - bits
	var m ip // the free bits
	switch {
	case free >= 128:
		m = ip{^uint64(0), ^uint64(0)}
	case free > 64:
		m = ip{1<<(free-64) - 1, ^uint64(0)}
	case free == 64:
		m = ip{0, ^uint64(0)}
	default:
		m = ip{0, 1<<free - 1}
	}
	return span{ip{a.hi &^ m.hi, a.lo &^ m.lo}, ip{a.hi | m.hi, a.lo | m.lo}}
}
