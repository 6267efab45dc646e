package filter

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/bpf"
)

// names are numbers with a name: offsets of header fields, and flags.
var names = map[string]uint32{
	"tcpflags": 13, "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-redirect": 5, "icmp-echo": 8, "icmp-timxceed": 11,
}

// relation reads a test of header bytes or of the frame's length: proto[offset:size] & mask = number.
func (p *parser) relation() (node, error) {
	var load []bpf.Instruction
	var guard node = always(true)
	if p.take("len") {
		load = length()
	} else {
		proto := p.next()
		p.i++ // [
		off, size, err := p.place()
		if err != nil {
			return nil, err
		}
		if load, guard, err = p.field(proto, off, size); err != nil {
			return nil, err
		}
	}
	mask := ^uint32(0)
	if p.take("&") {
		var err error
		if mask, err = p.constant(0); err != nil {
			return nil, err
		}
	}
	conds := map[string]bpf.JumpTest{"=": bpf.JumpEqual, "==": bpf.JumpEqual, "!=": bpf.JumpNotEqual, ">": bpf.JumpGreaterThan,
		"<": bpf.JumpLessThan, ">=": bpf.JumpGreaterOrEqual, "<=": bpf.JumpLessOrEqual}
	sign := p.next()
	cond, ok := conds[sign]
	if !ok {
		return nil, fmt.Errorf("a comparison is expected, not %q", sign)
	}
	val, err := p.constant(0)
	if err != nil {
		return nil, err
	}
	return and{guard, test{load: load, mask: mask, cond: cond, val: val}}, nil
}

// place reads offset and size up to the closing bracket. The scanner makes one word of "6:2".
func (p *parser) place() (off uint32, size int, err error) {
	word := p.next()
	head, tail, colon := strings.Cut(word, ":")
	if v, ok := names[head]; ok {
		off = v
	} else if off, err = number(head); err != nil || off > 65535 {
		return 0, 0, fmt.Errorf("%q is not an offset", word)
	}
	size = 1
	if colon {
		if tail == "" {
			tail = p.next()
		}
		switch tail {
		case "1", "2", "4":
			size = int(tail[0] - '0')
		default:
			return 0, 0, fmt.Errorf("%q is not a size: use 1, 2 or 4", tail)
		}
	}
	if !p.take("]") {
		return 0, 0, errors.New("a ] is missing")
	}
	return off, size, nil
}

// field is how to load bytes of a header, and the condition that the header is there.
func (p *parser) field(proto string, off uint32, size int) ([]bpf.Instruction, node, error) {
	base := p.layout.network
	switch proto {
	case "ether":
		if !p.layout.macs {
			return nil, nil, errors.New("frames of this link type have no Ethernet header")
		}
		return abs(off, size), always(true), nil
	case "ip", "ip6", "arp", "rarp":
		return abs(base+off, size), p.etherType(proto), nil
	case "icmp6":
		return abs(base+40+off, size), all(p.etherType("ip6"), equal(abs(base+6, 1), ipProtos["icmp6"])), nil
	}
	n, ok := ipProtos[proto]
	if !ok {
		return nil, nil, fmt.Errorf("%q has no header to look at", proto)
	}
	whole := not{test{load: abs(base+6, 2), mask: ^uint32(0), cond: bpf.JumpBitsSet, val: 0x1fff}}
	return []bpf.Instruction{bpf.LoadMemShift{Off: base}, bpf.LoadIndirect{Off: base + off, Size: size}},
		all(p.etherType("ip"), equal(abs(base+9, 1), n), whole), nil
}

// constant reads numbers and names joined with |.
func (p *parser) constant(depth int) (uint32, error) {
	if depth > maxDepth {
		return 0, errors.New("too many brackets")
	}
	var v uint32
	for {
		var x uint32
		if p.take("(") {
			var err error
			if x, err = p.constant(depth + 1); err != nil {
				return 0, err
			}
			if !p.take(")") {
				return 0, errors.New("a ) is missing")
			}
		} else {
			word := p.next()
			n, ok := names[word]
			if !ok {
				var err error
				if n, err = number(word); err != nil {
					return 0, err
				}
			}
			x = n
		}
		v |= x
		switch p.peek() {
		case "|":
			p.i++
		default:
			return v, nil
		}
	}
}
