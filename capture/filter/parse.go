package filter

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// parser turns words into a condition for one link type. VLAN tags move the offsets of all that follows.
type parser struct {
	words  []token
	i      int
	layout layout
	last   qualifiers // of the primitive before: "port 53 or 80"
}

// qualifiers are the words in front of a value.
type qualifiers struct{ proto, dir, kind string }

// maxDepth bounds brackets.
const maxDepth = 64

func (p *parser) peek() string {
	if p.i < len(p.words) {
		return p.words[p.i].text
	}
	return ""
}

func (p *parser) next() string {
	w := p.peek()
	p.i++
	return w
}

func (p *parser) take(words ...string) bool {
	for _, w := range words {
		if p.peek() == w && p.i < len(p.words) {
			p.i++
			return true
		}
	}
	return false
}

// expression reads conditions joined with and and or, which bind equally and from the left.
func (p *parser) expression(depth int) (node, error) {
	if depth > maxDepth {
		return nil, errors.New("too many brackets")
	}
	n, err := p.term(depth)
	for err == nil && p.i < len(p.words) && p.peek() != ")" {
		isOr := p.take("or", "||")
		if !isOr {
			p.take("and", "&&")
		}
		var m node
		if m, err = p.term(depth); err != nil {
			break
		}
		if isOr {
			n = or{n, m}
		} else {
			n = and{n, m}
		}
	}
	return n, err
}

func (p *parser) term(depth int) (node, error) {
	if depth > maxDepth {
		return nil, errors.New("too many brackets")
	}
	switch {
	case p.i >= len(p.words):
		return nil, errors.New("something is missing at the end")
	case p.take("not", "!"):
		n, err := p.term(depth + 1)
		return not{n}, err
	case p.peek() == "(":
		p.i++
		n, err := p.expression(depth + 1)
		if err == nil && !p.take(")") {
			err = errors.New("a ) is missing")
		}
		return n, err
	}
	return p.primitive()
}

// etherTypes are the EtherTypes of network protocols.
var etherTypes = map[string]uint32{"ip": 0x0800, "ip6": 0x86dd, "arp": 0x0806, "rarp": 0x8035}

// ipProtos are the protocols that ride on IP.
var ipProtos = map[string]uint32{"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmp6": 58, "igmp": 2, "gre": 47, "esp": 50,
	"ah": 51, "pim": 103, "vrrp": 112, "igrp": 9, "ipip": 4}

func (p *parser) primitive() (node, error) {
	word := p.peek()
	switch word {
	case "less", "greater":
		p.i++
		v, err := number(p.next())
		cond := bpf.JumpGreaterOrEqual
		if word == "less" {
			cond = bpf.JumpLessOrEqual
		}
		return test{load: length(), mask: ^uint32(0), cond: cond, val: v}, err
	case "vlan":
		p.i++
		return p.vlanTag()
	case "len":
		return p.relation()
	}
	if p.i+1 < len(p.words) && p.words[p.i+1].text == "[" {
		return p.relation()
	}
	q, bare, err := p.qualify()
	if err != nil {
		return nil, err
	}
	if bare {
		return p.protocol(q.proto)
	}
	p.last = q
	return p.value(q)
}

// qualify reads the words before a value; bare means that there is a protocol alone.
func (p *parser) qualify() (q qualifiers, bare bool, err error) {
	start := p.i
	word := p.peek()
	_, isNet := etherTypes[word]
	_, isIP := ipProtos[word]
	if isNet || isIP || word == "ether" {
		q.proto = word
		p.i++
	}
	switch {
	case p.take("src"):
		q.dir = "src"
		if p.i+1 < len(p.words) && p.words[p.i+1].text == "dst" && (p.peek() == "or" || p.peek() == "and") {
			q.dir = p.peek()
			p.i += 2
		}
	case p.take("dst"):
		q.dir = "dst"
		if p.i+1 < len(p.words) && p.words[p.i+1].text == "src" && (p.peek() == "or" || p.peek() == "and") {
			q.dir = p.peek()
			p.i += 2
		}
	}
	for _, k := range []string{"host", "net", "portrange", "port", "proto", "broadcast", "multicast"} {
		if p.take(k) {
			q.kind = k
			break
		}
	}
	switch {
	case p.i == start: // a value alone takes the words of the one before
		_, named := services[word]
		if p.last.kind == "" || !strings.ContainsAny(word[:1], "0123456789abcdef:") && !(named && p.last.kind == "port") {
			return q, false, fmt.Errorf("%q is not known here", word)
		}
		return p.last, false, nil
	case q.dir == "" && q.kind == "":
		return q, true, nil
	case q.kind == "":
		q.kind = "host"
	}
	return q, false, nil
}

// protocol is the condition that a frame carries a protocol.
func (p *parser) protocol(name string) (node, error) {
	if name == "ether" {
		return nil, errors.New("ether needs host or proto")
	}
	if n, ok := ipProtos[name]; ok {
		switch name {
		case "icmp", "igmp", "igrp":
			return p.ipProto(n, true, false), nil
		case "icmp6":
			return p.ipProto(n, false, true), nil
		}
		return p.ipProto(n, true, true), nil
	}
	return p.etherType(name), nil
}

// etherType is the condition that the network protocol is ip, ip6, arp or rarp.
func (p *parser) etherType(name string) node {
	if p.layout.typ != noType {
		return equal(abs(p.layout.typ, 2), etherTypes[name])
	}
	switch name {
	case "ip":
		return masked(abs(p.layout.network, 1), 0xf0, 0x40)
	case "ip6":
		return masked(abs(p.layout.network, 1), 0xf0, 0x60)
	}
	return always(false)
}

// ipProto is the condition that IP carries a protocol. Like tcpdump's it looks behind one fragment header of IPv6, and no
// other extension.
func (p *parser) ipProto(n uint32, v4, v6 bool) node {
	net := p.layout.network
	four := all(p.etherType("ip"), equal(abs(net+9, 1), n))
	six := all(p.etherType("ip6"), any(equal(abs(net+6, 1), n), all(equal(abs(net+6, 1), 44), equal(abs(net+40, 1), n))))
	switch {
	case v4 && v6:
		return any(four, six)
	case v4:
		return four
	}
	return six
}

// vlanTag is a tag, perhaps with an id. All that follows lies behind it.
func (p *parser) vlanTag() (node, error) {
	if !p.layout.macs {
		return nil, errors.New("vlan needs Ethernet")
	}
	if p.layout.taken {
		p.layout.taken = false
		return p.takenTag()
	}
	typ := abs(p.layout.typ, 2)
	n := any(equal(typ, 0x8100), equal(typ, 0x88a8), equal(typ, 0x9100))
	if w := p.peek(); w != "" && w[0] >= '0' && w[0] <= '9' {
		p.i++
		id, err := number(w)
		if err != nil || id > 4095 {
			return nil, fmt.Errorf("%q is not a VLAN id", w)
		}
		n = all(n, masked(abs(p.layout.typ+2, 2), 0x0fff, id))
	}
	p.layout.typ += 4
	p.layout.network += 4
	return n, nil
}

// takenTag is the same of a tag that the kernel has taken out of the frame.
func (p *parser) takenTag() (node, error) {
	var n node = not{equal([]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}}, 0)}
	if w := p.peek(); w != "" && w[0] >= '0' && w[0] <= '9' {
		p.i++
		id, err := number(w)
		if err != nil || id > 4095 {
			return nil, fmt.Errorf("%q is not a VLAN id", w)
		}
		n = all(n, masked([]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTag}}, 0x0fff, id))
	}
	return n, nil
}

func (p *parser) value(q qualifiers) (node, error) {
	switch q.kind {
	case "broadcast", "multicast":
		return p.group(q)
	}
	word := p.next()
	if word == "" || word == ")" || word == "(" {
		return nil, fmt.Errorf("%s needs a value", q.kind)
	}
	switch q.kind {
	case "host":
		return p.host(q, word)
	case "net":
		return p.network(q, word)
	case "port":
		n, err := number(word)
		if err != nil || n > 65535 {
			if n, err = service(word); err != nil {
				return nil, err
			}
		}
		return p.ports(q, n, n)
	case "portrange":
		low, high, _ := strings.Cut(word, "-")
		a, err1 := number(low)
		b, err2 := number(high)
		if err1 != nil || err2 != nil || a > b || b > 65535 {
			return nil, fmt.Errorf("%q is not a range of ports", word)
		}
		return p.ports(q, a, b)
	}
	return p.protoNumber(q, word)
}

func (p *parser) protoNumber(q qualifiers, word string) (node, error) {
	switch q.proto {
	case "ether":
		n, ok := etherTypes[word]
		if !ok {
			var err error
			if n, err = number(word); err != nil {
				return nil, fmt.Errorf("%q is not an EtherType", word)
			}
		}
		if p.layout.typ == noType {
			return nil, errors.New("frames of this link type have no EtherType")
		}
		return equal(abs(p.layout.typ, 2), n), nil
	case "", "ip", "ip6":
		n, ok := ipProtos[word]
		if !ok {
			var err error
			if n, err = number(word); err != nil || n > 255 {
				return nil, fmt.Errorf("%q is not a protocol of IP", word)
			}
		}
		return p.ipProto(n, q.proto != "ip6", q.proto != "ip"), nil
	}
	return nil, fmt.Errorf("%s proto makes no sense", q.proto)
}

// group is broadcast or multicast.
func (p *parser) group(q qualifiers) (node, error) {
	net := p.layout.network
	switch {
	case q.proto == "ip" && q.kind == "multicast":
		return all(p.etherType("ip"), masked(abs(net+16, 1), 0xf0, 0xe0)), nil
	case q.proto == "ip6" && q.kind == "multicast":
		return all(p.etherType("ip6"), equal(abs(net+24, 1), 0xff)), nil
	case (q.proto == "" || q.proto == "ether") && p.layout.macs:
		if q.kind == "multicast" {
			return masked(abs(0, 1), 1, 1), nil
		}
		return all(equal(abs(0, 4), 0xffffffff), equal(abs(4, 2), 0xffff)), nil
	}
	return nil, fmt.Errorf("%s %s is not supported", q.proto, q.kind)
}

// either joins the source's and the destination's condition as the direction says.
func (q qualifiers) either(src, dst node) node {
	switch q.dir {
	case "src":
		return src
	case "dst":
		return dst
	case "and":
		return and{src, dst}
	}
	return or{src, dst}
}

func (p *parser) host(q qualifiers, word string) (node, error) {
	if q.proto == "ether" {
		return p.mac(q, word)
	}
	a, err := netip.ParseAddr(word)
	if err != nil || a.Zone() != "" {
		return nil, fmt.Errorf("%q is not an address; names are not looked up", word)
	}
	return p.prefix(q, netip.PrefixFrom(a, a.BitLen()))
}

func (p *parser) mac(q qualifiers, word string) (node, error) {
	m, err := net.ParseMAC(word)
	if err != nil || len(m) != 6 {
		return nil, fmt.Errorf("%q is not an Ethernet address", word)
	}
	if !p.layout.macs {
		return nil, errors.New("frames of this link type have no Ethernet addresses")
	}
	at := func(off uint32) node {
		return all(equal(abs(off+2, 4), uint32(m[2])<<24|uint32(m[3])<<16|uint32(m[4])<<8|uint32(m[5])),
			equal(abs(off, 2), uint32(m[0])<<8|uint32(m[1])))
	}
	return q.either(at(6), at(0)), nil
}

func (p *parser) network(q qualifiers, word string) (node, error) {
	text, bits, hasBits := strings.Cut(word, "/")
	if !strings.Contains(text, ":") { // 10 and 192.168 are networks too
		parts := strings.Split(text, ".")
		if !hasBits {
			bits = strconv.Itoa(8 * len(parts))
		}
		for len(parts) < 4 {
			parts = append(parts, "0")
		}
		text = strings.Join(parts, ".")
	} else if !hasBits {
		bits = "128"
	}
	if p.take("mask") {
		m, err := netip.ParseAddr(p.next())
		if err != nil || !m.Is4() {
			return nil, errors.New("mask needs an IPv4 mask")
		}
		b := m.As4()
		ones, size := net.IPMask(b[:]).Size()
		if size == 0 {
			return nil, fmt.Errorf("%s is not a mask", m)
		}
		bits = strconv.Itoa(ones)
	}
	n, err := netip.ParsePrefix(text + "/" + bits)
	if err != nil {
		return nil, fmt.Errorf("%q is not a network", word)
	}
	if n.Masked() != n {
		return nil, fmt.Errorf("%q has bits set beyond its mask", word)
	}
	return p.prefix(q, n)
}

// prefix is the condition that an address is in a network.
func (p *parser) prefix(q qualifiers, n netip.Prefix) (node, error) {
	base := p.layout.network
	if n.Addr().Is4() {
		b := n.Addr().As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		mask := uint32(0)
		if n.Bits() > 0 {
			mask = ^uint32(0) << (32 - n.Bits())
		}
		at := func(src, dst uint32) node {
			return q.either(masked(abs(base+src, 4), mask, v), masked(abs(base+dst, 4), mask, v))
		}
		ip := all(p.etherType("ip"), at(12, 16))
		arp := any(all(p.etherType("arp"), at(14, 24)), all(p.etherType("rarp"), at(14, 24)))
		switch q.proto {
		case "":
			return any(ip, arp), nil
		case "ip":
			return ip, nil
		case "arp", "rarp":
			return all(p.etherType(q.proto), at(14, 24)), nil
		case "ip6":
			return nil, fmt.Errorf("%s is not an IPv6 address", n.Addr())
		}
		proto, err := p.protocol(q.proto)
		return and{proto, ip}, err
	}
	b := n.Addr().As16()
	at := func(off uint32) node {
		var list []node
		for i := 0; i < 16 && i*8 < n.Bits(); i += 4 {
			v := uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3])
			mask := ^uint32(0)
			if left := n.Bits() - i*8; left < 32 {
				mask <<= 32 - left
			}
			list = append(list, masked(abs(base+off+uint32(i), 4), mask, v))
		}
		if list == nil {
			return always(true)
		}
		return all(list...)
	}
	six := all(p.etherType("ip6"), q.either(at(8), at(24)))
	switch q.proto {
	case "", "ip6":
		return six, nil
	case "ip", "arp", "rarp":
		return nil, fmt.Errorf("%s is not an IPv4 address", n.Addr())
	}
	proto, err := p.protocol(q.proto)
	return and{proto, six}, err
}

// ports is the condition that a port is in a range. Fragments but the first have none.
func (p *parser) ports(q qualifiers, low, high uint32) (node, error) {
	protos := []string{"tcp", "udp", "sctp"}
	switch q.proto {
	case "tcp", "udp", "sctp":
		protos = []string{q.proto}
	case "", "ip", "ip6":
	default:
		return nil, fmt.Errorf("%s has no ports", q.proto)
	}
	base := p.layout.network
	between := func(load []bpf.Instruction) node {
		if low == high {
			return equal(load, low)
		}
		return and{test{load: load, mask: ^uint32(0), cond: bpf.JumpGreaterOrEqual, val: low},
			test{load: load, mask: ^uint32(0), cond: bpf.JumpLessOrEqual, val: high}}
	}
	behind := func(off uint32) []bpf.Instruction {
		return []bpf.Instruction{bpf.LoadMemShift{Off: base}, bpf.LoadIndirect{Off: base + off, Size: 2}}
	}
	var four, six []node
	for _, name := range protos {
		four = append(four, equal(abs(base+9, 1), ipProtos[name]))
		six = append(six, equal(abs(base+6, 1), ipProtos[name]))
	}
	whole := not{test{load: abs(base+6, 2), mask: ^uint32(0), cond: bpf.JumpBitsSet, val: 0x1fff}}
	v4 := all(p.etherType("ip"), any(four...), whole, q.either(between(behind(0)), between(behind(2))))
	v6 := all(p.etherType("ip6"), any(six...), q.either(between(abs(base+40, 2)), between(abs(base+42, 2))))
	switch q.proto {
	case "ip":
		return v4, nil
	case "ip6":
		return v6, nil
	}
	return any(v4, v6), nil
}

// service looks a port up by the name of its service.
func service(name string) (uint32, error) {
	n, ok := services[name]
	if !ok {
		return 0, fmt.Errorf("%q is not a port", name)
	}
	return n, nil
}

// services are the names of ports that filters use; a system's own list may not be there.
var services = map[string]uint32{"ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67,
	"bootpc": 68, "tftp": 69, "http": 80, "pop3": 110, "sunrpc": 111, "ntp": 123, "imap": 143, "imap2": 143, "snmp": 161, "bgp": 179,
	"ldap": 389, "https": 443, "microsoft-ds": 445, "syslog": 514, "ldaps": 636, "imaps": 993, "pop3s": 995, "nfs": 2049,
	"mysql": 3306, "rdp": 3389, "sip": 5060, "mdns": 5353, "postgresql": 5432}

func number(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return uint32(v), nil
}

func length() []bpf.Instruction {
	return []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}
}
