package detect

import (
	"strconv"
	"strings"
)

// listMode is which values of a list have to satisfy a comparison.
type listMode uint8

const (
	listAny         listMode = iota
	listOrAbsent             // any, or there is none
	listAll                  // all of them, of at least one
	listAllOrAbsent          // all of them
	listIndex                // the one at a place
	listNumber               // so many of them
	listCount                // there are so many, whatever they are
)

// UintList is a comparison of a number that occurs several times (Suricata user guide, multi-integers).
type UintList struct {
	One        Uint
	mode       listMode
	orOutside  bool // with listIndex: true where the list is shorter
	index      int  // with listIndex; below 0 = from the end
	start, end int  // the part of the list that is looked at; below 1 = from the end
	n          Uint // how many, with listNumber and listCount
}

// ParseUintList reads a comparison, optionally followed by a comma and which values it is about (any, all, or_absent,
// all_or_absent, a place, "nb" with a comparison), and by a comma and a part "start:end"; or "count" with a comparison.
func ParseUintList(s string, bits int, names map[string]uint64) (UintList, error) {
	var l UintList
	if !strings.Contains(s, ",") && !strings.HasPrefix(s, "count") {
		var err error
		l.One, err = ParseUint(s, bits, names)
		return l, err
	}
	parts := strings.Split(s, ",")
	if len(parts) > 3 {
		return l, problem("too many parts in '" + s + "'")
	}
	var err error
	if len(parts) == 1 {
		l.mode = listCount
		l.n, err = ParseUint(strings.TrimPrefix(s, "count"), 32, nil)
		return l, err
	}
	switch w := parts[1]; w {
	case "any":
	case "all":
		l.mode = listAll
	case "or_absent":
		l.mode = listOrAbsent
	case "all_or_absent":
		l.mode = listAllOrAbsent
	default:
		if rest, ok := strings.CutPrefix(w, "nb"); ok {
			l.mode = listNumber
			if l.n, err = ParseUint(rest, 32, nil); err != nil {
				return l, err
			}
			break
		}
		l.mode = listIndex
		w, l.orOutside = strings.CutPrefix(w, "oob_or")
		if l.index, err = parsePlace(strings.TrimLeft(w, " ")); err != nil {
			return l, err
		}
	}
	if l.One, err = ParseUint(parts[0], bits, names); err != nil {
		return l, err
	}
	if len(parts) < 3 {
		return l, nil
	}
	from, to, ok := strings.Cut(parts[2], ":")
	if !ok {
		return l, problem("invalid part '" + parts[2] + "'")
	}
	if l.start, err = parsePlace(from); err != nil {
		return l, err
	}
	if l.end, err = parsePlace(to); err != nil {
		return l, err
	}
	if l.end <= l.start && (l.start > 0 && l.end > 0 || l.start < 0 && l.end < 0) {
		return l, problem("the part must end after its start")
	}
	return l, nil
}

func parsePlace(s string) (int, error) {
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, problem("invalid place '" + s + "'")
	}
	return int(v), nil
}

// Match reports whether the values satisfy the comparison. final says that no more of them come.
func (l *UintList) Match(v []uint64, final bool) bool {
	start, end := l.start, l.end
	if start < 0 {
		start += len(v)
	}
	if end <= 0 {
		end += len(v)
	}
	if start < 0 || end > len(v) || start >= end {
		v = nil
	} else {
		v = v[start:end]
	}
	hits := 0
	for _, x := range v {
		if l.One.Match(x) {
			hits++
		}
	}
	switch l.mode {
	case listAny:
		return hits > 0
	case listOrAbsent:
		return hits > 0 || len(v) == 0 && final
	case listAll:
		return final && hits == len(v) && hits > 0
	case listAllOrAbsent:
		return final && hits == len(v)
	case listIndex:
		i := l.index
		if i < 0 {
			i += len(v)
		}
		if i < 0 || i >= len(v) {
			return l.orOutside && final
		}
		return l.One.Match(v[i])
	case listCount:
		hits = len(v)
	}
	return (final || l.n.Mode == UintGreater || l.n.Mode == UintGreaterEqual) && l.n.Match(uint64(hits))
}

// simple reports whether it is enough that one value satisfies the comparison.
func (l *UintList) simple() bool { return *l == UintList{One: l.One} }
