package jsonw

import "time"

// Clock spells times as EVE does, 2024-01-02T03:04:05.123456+0000, and remembers the last second. It
// belongs to one goroutine.
type Clock struct {
	loc   *time.Location
	sec   int64
	size  int // of date; 0 before the first use
	zone  [5]byte
	date  [24]byte
	ready bool
}

// NewClock returns a clock for a time zone; nil is UTC.
func NewClock(loc *time.Location) *Clock {
	if loc == nil {
		loc = time.UTC
	}
	return &Clock{loc: loc}
}

// Append appends a time given in nanoseconds since 1970. The zero Clock is in UTC.
func (c *Clock) Append(dst []byte, ns int64) []byte {
	sec, frac := ns/1e9, ns%1e9
	if frac < 0 {
		sec--
		frac += 1e9
	}
	if !c.ready || sec != c.sec {
		c.load(sec)
	}
	dst = append(dst, c.date[:c.size]...)
	us := uint32(frac / 1000)
	dst = append(dst, '.', digitAt(us, 100000), digitAt(us, 10000), digitAt(us, 1000), digitAt(us, 100), digitAt(us, 10), digitAt(us, 1))
	return append(dst, c.zone[:]...)
}

func digitAt(v, unit uint32) byte { return '0' + byte(v/unit%10) }

func (c *Clock) load(sec int64) {
	loc := c.loc
	if loc == nil {
		loc = time.UTC
	}
	t := time.Unix(sec, 0).In(loc)
	c.size = len(t.AppendFormat(c.date[:0], "2006-01-02T15:04:05"))
	t.AppendFormat(c.zone[:0], "-0700")
	c.sec, c.ready = sec, true
}

// AppendUTC appends a time in seconds since 1970 as 2024-01-02T03:04:05, the way certificates'
// validity is spelled.
func AppendUTC(dst []byte, sec int64) []byte {
	return time.Unix(sec, 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05")
}
