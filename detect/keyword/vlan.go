package keyword

import (
	"strconv"
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

// vlanID compares the VLAN ids of a packet: any of them, or with a second and third value those that the user guide's
// multi-integer syntax selects.
func vlanID() detect.Keyword {
	return detect.Keyword{Name: "vlan.id", Doc: "match vlan id", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		l, err := parseIntList(v, 16)
		if err != nil {
			return err
		}
		if l.u.Lo > 0xfff || l.u.Hi > 0xfff {
			return problem("vlan id should be less than 4096")
		}
		if l.which == listIndex && (l.index < -decode.MaxVLAN || l.index >= decode.MaxVLAN) {
			return problem("vlan id index should belong in range -3..=2")
		}
		b.Match("vlan.id", vlanIDMatch{l}, detect.NeedPacket)
		return nil
	}}
}

type vlanIDMatch struct{ l intList }

func (m vlanIDMatch) Match(c *detect.Ctx) bool {
	n := min(int(c.Packet.VLANCount), decode.MaxVLAN)
	return m.l.holds(c.Packet.VLAN[:n])
}

// vlanLayers compares the number of VLAN tags.
func vlanLayers() detect.Keyword {
	return detect.Keyword{Name: "vlan.layers", Doc: "match number of vlan layers", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		u, err := detect.ParseUint(v, 8, nil)
		if err != nil {
			return err
		}
		if u.Lo > decode.MaxVLAN || u.Hi > decode.MaxVLAN {
			return problem("number of layers out of range " + v)
		}
		b.Match("vlan.layers", vlanLayersMatch{u}, detect.NeedPacket)
		return nil
	}}
}

type vlanLayersMatch struct{ u detect.Uint }

func (m vlanLayersMatch) Match(c *detect.Ctx) bool { return m.u.Match(uint64(c.Packet.VLANCount)) }

// listMode says which integers of a list count.
type listMode uint8

const (
	listAny listMode = iota
	listAll
	listAllOrAbsent
	listOrAbsent // any, or none there
	listIndex
	listIndexOrBeyond
	listMatches // so many satisfy the comparison
	listCount   // there are so many
)

// intList is a comparison of a list of integers.
type intList struct {
	u          detect.Uint
	which      listMode
	index      int
	number     detect.Uint // of listMatches and listCount
	start, end int         // part of the list; negative ones count from its end, as does an end of zero
}

// parseIntList reads "value[,which[,start:end]]", which being any, all, all_or_absent, or_absent, an index, "oob_or" and an
// index, or "nb" and a comparison; or "count" and a comparison.
func parseIntList(s string, bits int) (l intList, err error) {
	parts := strings.Split(s, ",")
	if len(parts) > 3 {
		return l, problem("Too many comma-separated parts in multi-integer")
	}
	if len(parts) == 1 {
		if rest, ok := strings.CutPrefix(parts[0], "count"); ok {
			l.which = listCount
			l.number, err = detect.ParseUint(rest, 32, nil)
			return l, err
		}
	}
	if l.u, err = detect.ParseUint(parts[0], bits, nil); err != nil {
		return l, err
	}
	if len(parts) >= 2 {
		if err := l.parseWhich(parts[1]); err != nil {
			return l, err
		}
	}
	if len(parts) == 3 {
		from, to, ok := strings.Cut(parts[2], ":")
		a, err1 := strconv.ParseInt(from, 10, 32)
		z, err2 := strconv.ParseInt(to, 10, 32)
		if !ok || err1 != nil || err2 != nil {
			return l, problem("cannot parse the part of the list \"" + parts[2] + "\"")
		}
		if (a > 0 && z > 0 || a < 0 && z < 0) && z <= a {
			return l, problem("subslice must end after start " + from + " " + to)
		}
		l.start, l.end = int(a), int(z)
	}
	return l, nil
}

func (l *intList) parseWhich(s string) (err error) {
	switch s {
	case "any":
		l.which = listAny
		return nil
	case "all":
		l.which = listAll
		return nil
	case "all_or_absent":
		l.which = listAllOrAbsent
		return nil
	case "or_absent":
		l.which = listOrAbsent
		return nil
	}
	if rest, ok := strings.CutPrefix(s, "nb"); ok {
		l.which = listMatches
		l.number, err = detect.ParseUint(rest, 32, nil)
		return err
	}
	l.which = listIndex
	if rest, ok := strings.CutPrefix(s, "oob_or"); ok {
		l.which, s = listIndexOrBeyond, rest
	}
	n, err := strconv.ParseInt(strings.TrimLeft(s, " "), 10, 32)
	if err != nil {
		return problem("cannot parse the index \"" + s + "\"")
	}
	l.index = int(n)
	return nil
}

// part returns where the part of a list of n integers begins and ends.
func (l *intList) part(n int) (from, to int) {
	from, to = l.start, l.end
	if from < 0 {
		from += n
	}
	if to <= 0 {
		to += n
	}
	if from < 0 || to > n || from >= to {
		return 0, 0
	}
	return from, to
}

func (l *intList) holds(list []uint16) bool {
	from, to := l.part(len(list))
	list = list[from:to]
	if l.which == listIndex || l.which == listIndexOrBeyond {
		i := l.index
		if i < 0 {
			i += len(list)
		}
		if i < 0 || i >= len(list) {
			return l.which == listIndexOrBeyond
		}
		return l.u.Match(uint64(list[i]))
	}
	hits := 0
	for _, x := range list {
		if l.u.Match(uint64(x)) {
			hits++
		}
	}
	switch l.which {
	case listAny:
		return hits > 0
	case listOrAbsent:
		return hits > 0 || len(list) == 0
	case listAll:
		return hits == len(list) && len(list) > 0
	case listAllOrAbsent:
		return hits == len(list)
	case listMatches:
		return l.number.Match(uint64(hits))
	}
	return l.number.Match(uint64(len(list)))
}
