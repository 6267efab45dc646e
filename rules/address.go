package rules

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// AddressSet is a set of IPv4 and IPv6 addresses. It is immutable; the zero value is empty.
type AddressSet struct {
	from4, to4 []uint32 // sorted, disjoint, not touching
	span6      []span
	any        bool
	negation   bool
	ranged     bool
}

// ParseAddresses resolves an address expression: any, addresses, networks by prefix length or
// netmask, ranges, variables, lists of these, and negations.
//
// As in Suricata a family is subtracted from everything only if it has negated parts: "!10.0.0.1" holds
// no IPv6 address.
func ParseAddresses(spec string, vars Vars) (AddressSet, error) {
	e := expression{vars: vars.Address}
	var p, n addressList
	if err := p.collect(&e, spec, &n, 1); err != nil {
		return AddressSet{}, err
	}
	negation := len(n.v4)+len(n.v6) > 0
	ranged := p.ranged || n.ranged
	if err := p.merge(&n); err != nil {
		return AddressSet{}, err
	}
	s := AddressSet{span6: p.v6, negation: negation, ranged: ranged}
	s.from4, s.to4 = make([]uint32, len(p.v4)), make([]uint32, len(p.v4))
	for i, x := range p.v4 {
		s.from4[i], s.to4[i] = uint32(x.from.lo), uint32(x.to.lo)
	}
	s.any = len(p.v4) == 1 && p.v4[0] == all4 && len(p.v6) == 1 && p.v6[0] == all6
	return s, nil
}

// addressList gathers spans while an expression is read.
type addressList struct {
	v4, v6 []span
	ranged bool
}

// collect adds the elements of s to p, and the negated ones to n. A negated list or variable is worked
// out on its own first; a plain one shares the negations of the list around it.
func (p *addressList) collect(e *expression, s string, n *addressList, depth int) error {
	for len(s) > 0 {
		it, rest, err := nextItem(s)
		if err != nil {
			return err
		}
		if err = e.count(depth); err != nil {
			return err
		}
		s = rest
		text := it.text
		variable := !it.list && strings.IndexByte(text, '$') >= 0
		if variable {
			if text, err = e.lookup(text); err != nil {
				return err
			}
		}
		into := p
		if it.negated {
			into = n
		}
		switch {
		case !variable && !it.list:
			err = into.addOne(text)
		case !it.negated:
			err = p.collect(e, text, n, depth+1)
		default:
			var ip, in addressList
			if err = ip.collect(e, text, &in, depth+1); err != nil {
				return err
			}
			n.ranged = n.ranged || ip.ranged || in.ranged
			if err = ip.merge(&in); err == nil {
				n.v4, n.v6 = append(n.v4, ip.v4...), append(n.v6, ip.v6...)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// merge subtracts n from p and normalizes p.
func (p *addressList) merge(n *addressList) error {
	n.v4, n.v6 = normalize(n.v4), normalize(n.v6)
	if len(n.v4) == 1 && n.v4[0] == all4 {
		return problem("every address is negated, as by \"!any\"; nothing is left")
	}
	if len(p.v4) == 0 && len(n.v4) > 0 {
		p.v4 = []span{all4}
	}
	if len(p.v6) == 0 && len(n.v6) > 0 {
		p.v6 = []span{all6}
	}
	p.v4 = subtract(normalize(p.v4), n.v4)
	p.v6 = subtract(normalize(p.v6), n.v6)
	if len(p.v4)+len(p.v6) == 0 {
		return problem("no address is left after negations")
	}
	return nil
}

// addOne adds "any", an address, a network or a range.
func (p *addressList) addOne(s string) error {
	s = strings.TrimLeft(s, " \t\r\n\v\f")
	if strings.EqualFold(s, "any") {
		p.v4, p.v6 = append(p.v4, all4), append(p.v6, all6)
		return nil
	}
	bad := func(why string) error { return problem("cannot parse the address " + quote(s) + why) }
	is4 := strings.IndexByte(s, ':') < 0
	add := func(x span) {
		if is4 {
			p.v4 = append(p.v4, x)
		} else {
			p.v6 = append(p.v6, x)
		}
	}
	if left, right, ok := strings.Cut(s, "/"); ok {
		a, ok := parseIP(left, is4)
		if !ok {
			return bad("")
		}
		width := 128
		if is4 {
			width = 32
		}
		if is4 && strings.IndexByte(right, '.') >= 0 {
			m, ok := parseIP(right, true)
			if !ok {
				return bad(": the netmask is no address")
			}
			mask := uint32(m.lo)
			if inv := ^mask; inv&(inv+1) != 0 {
				return bad(": the netmask has holes")
			}
			bits := 0
			for ; mask != 0; mask <<= 1 {
				bits++
			}
			add(maskSpan(a, bits, 32))
			return nil
		}
		bits, err := strconv.ParseUint(right, 10, 8)
		if err != nil || bits > uint64(width) {
			return bad(": the prefix length is not between 0 and " + strconv.Itoa(width))
		}
		add(maskSpan(a, int(bits), width))
		return nil
	}
	if left, right, ok := strings.Cut(s, "-"); ok {
		a, ok1 := parseIP(left, is4)
		b, ok2 := parseIP(right, is4)
		if !ok1 || !ok2 {
			return bad("")
		}
		if a.cmp(b) > 0 {
			return bad(": the range is reversed")
		}
		p.ranged = p.ranged || !is4
		add(span{a, b})
		return nil
	}
	a, ok := parseIP(s, is4)
	if !ok {
		return bad("")
	}
	add(span{a, a})
	return nil
}

func parseIP(s string, is4 bool) (ip, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Is4() != is4 || a.Zone() != "" {
		return ip{}, false
	}
	return fromAddr(a), true
}

// IsAny reports whether the set holds every address of both families.
func (s *AddressSet) IsAny() bool { return s.any }

// HasNegation reports whether the expression or a variable in it negated something: such rules are only
// like IP-only rules.
func (s *AddressSet) HasNegation() bool { return s.negation }

// HasRange reports whether an IPv6 range "a-b" was written, which Suricata keeps out of IP-only rules.
func (s *AddressSet) HasRange() bool { return s.ranged }

// Contains4 reports whether the set holds an IPv4 address, given in host order.
func (s *AddressSet) Contains4(a uint32) bool {
	if s.any {
		return true
	}
	lo, hi := 0, len(s.from4)
	for lo < hi { // first range that begins after a
		m := int(uint(lo+hi) >> 1)
		if s.from4[m] <= a {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo > 0 && a <= s.to4[lo-1]
}

// Contains6 reports whether the set holds an IPv6 address, given as its two halves in host order.
func (s *AddressSet) Contains6(high, low uint64) bool {
	if s.any {
		return true
	}
	a := ip{high, low}
	lo, hi := 0, len(s.span6)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if s.span6[m].from.cmp(a) <= 0 {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo > 0 && a.cmp(s.span6[lo-1].to) <= 0
}

// Contains reports whether the set holds an address in network order. An IPv4 address is in the last
// four bytes, as in netip.Addr.As16.
func (s *AddressSet) Contains(a *[16]byte, is4 bool) bool {
	if is4 {
		return s.Contains4(binary.BigEndian.Uint32(a[12:]))
	}
	return s.Contains6(be64(a[:8]), be64(a[8:]))
}

// ContainsAddr reports whether the set holds an address; an IPv4-mapped IPv6 address counts as IPv6.
func (s *AddressSet) ContainsAddr(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	x := fromAddr(a)
	if a.Is4() {
		return s.Contains4(uint32(x.lo))
	}
	return s.Contains6(x.hi, x.lo)
}

// AddressRange is a closed range of addresses of one family.
type AddressRange struct{ From, To netip.Addr }

// Ranges returns the set as sorted, disjoint ranges, IPv4 first.
func (s *AddressSet) Ranges() []AddressRange {
	out := make([]AddressRange, 0, len(s.from4)+len(s.span6))
	for i := range s.from4 {
		out = append(out, AddressRange{ip{0, uint64(s.from4[i])}.addr(true), ip{0, uint64(s.to4[i])}.addr(true)})
	}
	for _, x := range s.span6 {
		out = append(out, AddressRange{x.from.addr(false), x.to.addr(false)})
	}
	return out
}

// Prefixes returns the set as the fewest networks, sorted, IPv4 first.
func (s *AddressSet) Prefixes() []netip.Prefix {
	var out []netip.Prefix
	for i := range s.from4 {
		out = appendPrefixes(out, span{ip{0, uint64(s.from4[i])}, ip{0, uint64(s.to4[i])}}, 32)
	}
	for _, x := range s.span6 {
		out = appendPrefixes(out, x, 128)
	}
	return out
}

func appendPrefixes(out []netip.Prefix, x span, width int) []netip.Prefix {
	for {
		// The largest network that starts at x.from and ends by x.to.
		bits := width
		for bits > 0 {
			n := maskSpan(x.from, bits-1, width)
			if n.from != x.from || n.to.cmp(x.to) > 0 {
				break
			}
			bits--
		}
		out = append(out, netip.PrefixFrom(x.from.addr(width == 32), bits))
		end := maskSpan(x.from, bits, width).to
		if end.cmp(x.to) >= 0 {
			return out
		}
		x.from = end.next()
	}
}

// Key returns a text that is equal for equal sets with equal HasNegation and HasRange.
func (s *AddressSet) Key() string {
	b := make([]byte, 0, 1+8*len(s.from4)+32*len(s.span6))
	flags := byte(1)
	if s.negation {
		flags |= 2
	}
	if s.ranged {
		flags |= 4
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.from4)))
	for i := range s.from4 {
		b = binary.BigEndian.AppendUint32(b, s.from4[i])
		b = binary.BigEndian.AppendUint32(b, s.to4[i])
	}
	for _, x := range s.span6 {
		for _, v := range [...]uint64{x.from.hi, x.from.lo, x.to.hi, x.to.lo} {
			b = binary.BigEndian.AppendUint64(b, v)
		}
	}
	return string(b)
}
