package rules

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// PortSet is a set of ports. It is immutable; the zero value is empty.
type PortSet struct {
	ranges []PortRange
	bits   *[1024]uint64 // nil if any or empty
	any    bool
}

// PortRange is a closed range of ports.
type PortRange struct{ From, To uint16 }

// ParsePorts resolves a port expression: any, ports, ranges with either end open, variables, lists of
// these, and negations.
func ParsePorts(spec string, vars Vars) (PortSet, error) {
	if strings.EqualFold(spec, "any") {
		return PortSet{ranges: []PortRange{{0, 65535}}, any: true}, nil
	}
	e := expression{vars: vars.Port}
	var p portList
	if err := p.collect(&e, spec, false, 1); err != nil {
		return PortSet{}, err
	}
	if p.negated > 0 && p.no.full() {
		return PortSet{}, problem("every port is negated; nothing is left")
	}
	if p.plain == 0 && p.negated > 0 {
		p.yes.set(0, 65535)
	}
	var s PortSet
	open := false
	for i := 0; i < 65536; i++ {
		in := p.yes[i>>6]&^p.no[i>>6]>>(i&63)&1 != 0
		if in && !open {
			s.ranges = append(s.ranges, PortRange{From: uint16(i)})
		}
		if in {
			s.ranges[len(s.ranges)-1].To = uint16(i)
		}
		open = in
	}
	if len(s.ranges) == 0 {
		return PortSet{}, problem("no port is left after negations")
	}
	if s.any = s.ranges[0] == (PortRange{0, 65535}); !s.any {
		s.bits = new([1024]uint64)
		for i := range s.bits {
			s.bits[i] = p.yes[i] &^ p.no[i]
		}
	}
	return s, nil
}

type portBits [1024]uint64

func (b *portBits) set(from, to uint16) {
	first, last := from>>6, to>>6
	for w := first; w <= last; w++ {
		m := ^uint64(0)
		if w == first {
			m &= ^uint64(0) << (from & 63)
		}
		if w == last {
			m &= ^uint64(0) >> (63 - to&63)
		}
		b[w] |= m
	}
}

func (b *portBits) full() bool {
	for _, w := range b {
		if w != ^uint64(0) {
			return false
		}
	}
	return true
}

// portList gathers ports while an expression is read.
type portList struct {
	yes, no        portBits
	plain, negated int
}

// collect adds the elements of s. Ports differ from addresses in how negations nest: a negated list
// negates each element, and within it only a last element that is itself negated turns positive again.
func (p *portList) collect(e *expression, s string, negate bool, depth int) error {
	for len(s) > 0 {
		it, rest, err := nextItem(s)
		if err != nil {
			return err
		}
		if err = e.count(depth); err != nil {
			return err
		}
		s = rest
		switch {
		case it.list:
			err = p.collect(e, it.text, negate || it.negated, depth+1)
		case strings.IndexByte(it.text, '$') >= 0:
			var text string
			if text, err = e.lookup(it.text); err == nil {
				err = p.collect(e, text, negate != it.negated, depth+1)
			}
		case it.last:
			err = p.addOne(it.text, negate != it.negated)
		default:
			err = p.addOne(it.text, negate || it.negated)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *portList) addOne(s string, negate bool) error {
	s = strings.TrimSpace(s)
	from, to := uint16(0), uint16(65535)
	if left, right, ranged := strings.Cut(s, ":"); ranged {
		left, right = strings.TrimSpace(left), strings.TrimSpace(right)
		if strings.IndexByte(right, '!') >= 0 {
			return problem("a range cannot hold a negation: " + quote(s))
		}
		ok := true
		if left != "" {
			from, ok = parsePort(left)
		}
		if ok && right != "" {
			to, ok = parsePort(right)
		}
		if !ok {
			return problem("cannot parse the port range " + quote(s))
		}
		if from > to {
			return problem("the port range is reversed: " + quote(s))
		}
	} else if !strings.EqualFold(s, "any") {
		var ok bool
		if from, ok = parsePort(s); !ok {
			return problem("cannot parse the port " + quote(s))
		}
		to = from
	}
	if negate {
		p.no.set(from, to)
		p.negated++
	} else {
		p.yes.set(from, to)
		p.plain++
	}
	return nil
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 10, 16)
	return uint16(n), err == nil
}

// Contains reports whether the set holds a port.
func (s *PortSet) Contains(p uint16) bool {
	if s.bits == nil {
		return s.any
	}
	return s.bits[p>>6]>>(p&63)&1 != 0
}

// IsAny reports whether the set holds every port.
func (s *PortSet) IsAny() bool { return s.any }

// Ranges returns the set as sorted, disjoint ranges. The caller must not change them.
func (s *PortSet) Ranges() []PortRange { return s.ranges }

// Key returns a text that is equal for equal sets.
func (s *PortSet) Key() string {
	b := make([]byte, 0, 4*len(s.ranges))
	for _, r := range s.ranges {
		b = binary.BigEndian.AppendUint16(b, r.From)
		b = binary.BigEndian.AppendUint16(b, r.To)
	}
	return string(b)
}

// String returns the set as a port expression.
func (s *PortSet) String() string {
	if s.any {
		return "any"
	}
	b := []byte{'['}
	for i, r := range s.ranges {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.From), 10)
		if r.To != r.From {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.To), 10)
		}
	}
	return string(append(b, ']'))
}
