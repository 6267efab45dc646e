package defrag

import "strings"

// Policy says whose bytes a receiver keeps where two fragments overlap. The policies are those of Novak, "Target-Based
// Fragmentation Reassembly" (2005).
type Policy uint8

// The policies. BSD is the default.
const (
	BSD      Policy = iota // the old fragment's, if it begins before or with the new one
	BSDRight               // the new fragment's, if it begins with or after the old one
	First                  // the old fragment's
	Last                   // the new fragment's
	Linux                  // the old fragment's, if it begins before the new one
	Solaris                // the old fragment's, unless the new one begins before it and ends with or after it
	Windows                // the old fragment's, unless the new one begins before it and ends after it
)

// PolicyByOS returns the policy of an operating system as host-os-policy names it.
func PolicyByOS(name string) (Policy, bool) {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "bsd", "hpux10", "irix":
		return BSD, true
	case "bsd-right":
		return BSDRight, true
	case "old-solaris", "hpux11", "macos", "first":
		return First, true
	case "last":
		return Last, true
	case "old-linux", "linux":
		return Linux, true
	case "solaris":
		return Solaris, true
	case "windows", "vista", "windows2k3":
		return Windows, true
	}
	return BSD, false
}

// newWins reports whether the fragment that came later keeps the bytes that it shares with an older one. Ranges are
// those of the datagram, end excluded.
func (p Policy) newWins(start, end, oldStart, oldEnd uint32) bool {
	switch p {
	case BSDRight:
		return start >= oldStart
	case First:
		return false
	case Last:
		return true
	case Linux:
		return start <= oldStart
	case Solaris:
		return start < oldStart && end >= oldEnd
	case Windows:
		return start < oldStart && end > oldEnd
	}
	return start < oldStart
}
