package x509

import "time"

// digits takes n decimal digits from the front of b.
func digits(b *[]byte, n int) (v int, ok bool) {
	if len(*b) < n {
		return 0, false
	}
	for _, c := range (*b)[:n] {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	*b = (*b)[n:]
	return v, true
}

// date reads a UTCTime or GeneralizedTime as seconds since 1970 (RFC 5280, 4.1.2.5). Seconds may be missing; a UTCTime may be
// in another zone, a GeneralizedTime may have fractions.
func date(b []byte) (secs int64, rest []byte, ok bool) {
	e, rest, err := next(b)
	if err != OK || e.class != 0 {
		return 0, b, false
	}
	t := e.data
	var year, month, day, hour, minute, second int
	switch e.tag {
	case tagUTCTime:
		if year, ok = digits(&t, 2); !ok {
			return 0, b, false
		}
		if year >= 50 {
			year += 1900
		} else {
			year += 2000
		}
	case tagTime:
		if year, ok = digits(&t, 4); !ok || len(t) == 0 || t[len(t)-1] != 'Z' {
			return 0, b, false
		}
	default:
		return 0, b, false
	}
	var ok1, ok2, ok3 bool
	month, ok1 = digits(&t, 2)
	day, ok2 = digits(&t, 2)
	hour, ok3 = digits(&t, 2)
	if !ok1 || !ok2 || !ok3 {
		return 0, b, false
	}
	if minute, ok = digits(&t, 2); !ok {
		return 0, b, false
	}
	if len(t) > 1 {
		if second, ok = digits(&t, 2); !ok {
			return 0, b, false
		}
	}
	if e.tag == tagTime && len(t) > 2 && t[0] == '.' {
		for n := 0; n < 3 && len(t) > 1 && t[1] >= '0' && t[1] <= '9'; n++ {
			t = t[1:]
		}
		t = t[1:]
	}
	zone, ok := offset(t)
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, b, false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if at.Day() != day {
		return 0, b, false
	}
	return at.Unix() - int64(zone), rest, true
}

// offset reads a time zone as seconds east of Greenwich.
func offset(b []byte) (int, bool) {
	switch {
	case len(b) == 1 && b[0] == 'Z':
		return 0, true
	case len(b) == 5 && (b[0] == '+' || b[0] == '-'):
		sign := 1
		if b[0] == '-' {
			sign = -1
		}
		b = b[1:]
		h, ok1 := digits(&b, 2)
		m, ok2 := digits(&b, 2)
		return sign * (h*3600 + m*60), ok1 && ok2 && h < 24 && m < 60
	}
	return 0, false
}
