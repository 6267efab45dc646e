package chain

import "bytes"

// finder looks for one byte string.
type finder struct {
	pat    []byte // in lower case, if nocase
	nocase bool

	// Without case: the byte to look for first is pat[rare], in two cases if up differs from lo.
	rare   int
	lo, up byte
	sum    uint32 // of pat, for the rolling comparison
	pow    uint32
}

// prime is the multiplier of the rolling sum.
const prime = 16777619

func newFinder(data []byte, nocase bool) finder {
	f := finder{pat: append([]byte(nil), data...), nocase: nocase}
	if !nocase {
		return f
	}
	letters := false
	for i, c := range f.pat {
		f.pat[i] = lower[c]
		letters = letters || lower[c] >= 'a' && lower[c] <= 'z'
	}
	if !letters { // case makes no difference
		f.nocase = false
		return f
	}
	best := 1 << 30
	for i, c := range f.pat {
		if r := frequency(c); r < best {
			best, f.rare = r, i
		}
	}
	f.lo = f.pat[f.rare]
	f.up = f.lo
	if f.lo >= 'a' && f.lo <= 'z' {
		f.up = f.lo - 'a' + 'A'
	}
	f.pow = 1
	for _, c := range f.pat {
		f.sum = f.sum*prime + uint32(c)
		f.pow *= prime
	}
	return f
}

// frequency is a guess at how common a byte is in traffic, letters in both cases; higher is commoner.
func frequency(c byte) int {
	const common = "eatoinsrhldcumpfgwby" // from the commonest
	switch {
	case c == 0 || c == ' ':
		return 250
	case c >= 'a' && c <= 'z':
		for i := range len(common) {
			if common[i] == c {
				return 200 - 5*i
			}
		}
		return 60 // v k x j q z, but in two cases
	case c >= '0' && c <= '9' || c == '/' || c == '.' || c == '-' || c == '=' || c == '\r' || c == '\n' || c == 0xff:
		return 100
	case c > ' ' && c < 0x7f:
		return 40
	}
	return 20
}

// lower maps ASCII letters to lower case and leaves other bytes.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] = byte(i) + 'a' - 'A'
		}
	}
	return t
}()

// index returns where the string first is in b, or -1.
func (f *finder) index(b []byte) int {
	if !f.nocase {
		return bytes.Index(b, f.pat)
	}
	n := len(f.pat)
	if len(b) < n {
		return -1
	}
	// Where the rare byte can be: as if the string began at 0 to len(b)-n.
	area := b[f.rare : len(b)-n+f.rare+1]
	if f.lo == f.up {
		fails := 0
		for at := 0; ; {
			k := bytes.IndexByte(area[at:], f.lo)
			if k < 0 {
				return -1
			}
			at += k
			if equalLower(b[at:at+n], f.pat) {
				return at
			}
			at++
			if fails++; fails > 8+at>>4 {
				return f.roll(b, at)
			}
		}
	}
	// The next places of either case; each byte is looked at once for each.
	lo, up := bytes.IndexByte(area, f.lo), bytes.IndexByte(area, f.up)
	fails := 0
	for lo >= 0 || up >= 0 {
		at := lo
		if lo < 0 || up >= 0 && up < lo {
			at = up
		}
		if equalLower(b[at:at+n], f.pat) {
			return at
		}
		if fails++; fails > 8+at>>4 {
			return f.roll(b, at+1)
		}
		if at == lo {
			if lo = bytes.IndexByte(area[at+1:], f.lo); lo >= 0 {
				lo += at + 1
			}
		} else if up = bytes.IndexByte(area[at+1:], f.up); up >= 0 {
			up += at + 1
		}
	}
	return -1
}

// roll goes on from position at with a rolling sum: its time does not depend on how nearly the data
// matches, which a sender could choose.
func (f *finder) roll(b []byte, at int) int {
	n := len(f.pat)
	if len(b)-at < n {
		return -1
	}
	sum := uint32(0)
	for _, c := range b[at : at+n] {
		sum = sum*prime + uint32(lower[c])
	}
	for {
		if sum == f.sum && equalLower(b[at:at+n], f.pat) {
			return at
		}
		if at+n >= len(b) {
			return -1
		}
		sum = sum*prime + uint32(lower[b[at+n]]) - f.pow*uint32(lower[b[at]])
		at++
	}
}

// equalLower compares a with the lower-cased b, which is as long.
func equalLower(a, b []byte) bool {
	b = b[:len(a)]
	for i, c := range a {
		if lower[c] != b[i] {
			return false
		}
	}
	return true
}
