package http1

import "bytes"

// Marks of a scanned header field.
const (
	hdrNoColon     uint8 = 1 << iota // also set for an empty name, as libhtp does
	hdrEmptyName                     //
	hdrNotToken                      // the name has characters that no token may have
	hdrSpaceAfter                    // white space between name and colon
	hdrSpaceBefore                   // the line begins with white space: broken folding
	hdrDeformed                      // mixed line ends
	hdrRepeated                      // the name occurs again
	hdrNulInName
)

// maxFolds bounds how often a value may be continued, so that a header that grows by a line a packet costs no quadratic time.
const maxFolds = 128

// scanState is the outcome of scanning.
type scanState uint8

const (
	scanned    scanState = iota
	incomplete           // more bytes decide
	mismatch             // not what was looked for
)

// scanner reads header fields. Requests end lines in LF, responses in CR as well; which is what servers and browsers do.
type scanner struct {
	response bool
	closing  bool   // nothing follows: a line end needs no byte behind it
	value    []byte // of the field scanned last; it may be in fold
	fold     []byte // memory for folded values
	name     []byte
	flags    uint8
}

// eol matches a regular line end at the front of b.
func (s *scanner) eol(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if b[0] == '\n' {
		if s.response && len(b) > 1 && b[1] == '\r' {
			return 2
		}
		return 1
	}
	if b[0] == '\r' {
		if len(b) > 1 && b[1] == '\n' {
			return 2
		}
		if s.response {
			return 1
		}
	}
	return 0
}

func startsEOL(b []byte) bool {
	return len(b) > 0 && b[0] == '\n' || len(b) > 1 && b[0] == '\r' && b[1] == '\n'
}

// anyEOL matches a line end, deformed ones first.
func (s *scanner) anyEOL(b []byte) (n int, deformed bool, st scanState) {
	if len(b) >= 4 && string(b[:4]) == "\n\r\r\n" && startsEOL(b[4:]) {
		return 4, true, scanned
	}
	if s.response {
		if len(b) >= 3 && string(b[:3]) == "\r\n\r" {
			i := 3
			for i < len(b) && (b[i] == '\r' || isBlank(b[i])) {
				i++
			}
			if i == len(b) {
				return 0, false, incomplete
			}
			if i > 3 {
				if b[i] == '\n' {
					i++
				}
				if !startsEOL(b[i:]) {
					return i, true, scanned
				}
			}
		}
	} else if len(b) >= 4 && string(b[:4]) == "\n\r\r\n" {
		return 2, true, scanned
	}
	if n = s.eol(b); n == 0 {
		return 0, false, mismatch
	}
	return n, false, scanned
}

func isFold(c byte) bool { return c == ' ' || c == '\t' || c == 0 }

// endOfLine judges the line end at the front of b: a fold (n counts its white space as well), or the value's end.
func (s *scanner) endOfLine(b []byte) (n, eol int, fold, deformed bool, st scanState) {
	if s.response {
		n = s.eol(b)
		st = scanned
	} else {
		n, deformed, st = s.anyEOL(b)
	}
	if st == incomplete && !s.closing {
		return 0, 0, false, false, incomplete
	}
	if st == scanned {
		if n < len(b) {
			if isFold(b[n]) {
				return n + 1, n, true, deformed, scanned
			}
		} else if !s.closing {
			return 0, 0, false, false, incomplete
		}
	}
	n, deformed, st = s.anyEOL(b)
	if st != scanned {
		return 0, 0, false, false, st
	}
	if !s.closing {
		if n == len(b) {
			return 0, 0, false, false, incomplete
		}
		if isFold(b[n]) {
			return 0, 0, false, false, mismatch
		}
	}
	return n, n, false, deformed, scanned
}

// line finds where the value's line ends.
func (s *scanner) line(b []byte) int {
	if !s.response {
		i := bytes.IndexByte(b, '\n')
		if i > 0 && b[i-1] == '\r' {
			i--
		}
		return i
	}
	for i, c := range b {
		if c == '\n' || c == '\r' {
			return i
		}
	}
	return -1
}

// newName says whether a continuation line of a response is a field of its own: browsers take "Name: value" so.
func newName(b []byte) (yes bool, st scanState) {
	i := 0
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	from := i
	for i < len(b) && tokenChars[b[i]] {
		i++
	}
	token := i > from
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	if i == len(b) {
		return false, incomplete
	}
	if b[i] != ':' {
		return false, scanned
	}
	for i++; i < len(b) && isBlank(b[i]); {
		i++
	}
	if i == len(b) {
		return false, incomplete
	}
	return token, scanned
}

// scanValue reads a value with its continuations. It returns how many bytes of b were used.
func (s *scanner) scanValue(b []byte) (int, scanState) {
	at := s.line(b)
	if at < 0 {
		return 0, incomplete
	}
	n, _, fold, deformed, st := s.endOfLine(b[at:])
	if st != scanned {
		return 0, st
	}
	if deformed {
		s.flags |= hdrDeformed
	}
	used := at + n
	if !fold {
		s.value = trim(b[:at])
		return used, scanned
	}
	v := append(s.fold[:0], b[:at]...)
	sep := b[used-1]
	i := used
	for folds := 1; ; folds++ {
		if s.response {
			yes, st := newName(b[i:])
			if st == incomplete {
				return 0, incomplete
			}
			if yes {
				used = i
				break
			}
		}
		at = s.line(b[i:])
		if at < 0 {
			return 0, incomplete
		}
		n, eol, again, deformed, st := s.endOfLine(b[i+at:])
		if st != scanned {
			return 0, st
		}
		if deformed {
			s.flags |= hdrDeformed
		}
		if len(v) > 0 {
			v = append(v, sep)
		}
		text := b[i : i+at]
		i += at + n
		if len(text) > 0 || eol > 1 {
			used = i
			v = append(v, text...)
		} else if i < len(b) && b[i] == '\n' {
			used = i
		}
		if folds >= maxFolds || !again {
			break
		}
		sep = b[i-1]
	}
	s.fold = v
	s.value = trim(v)
	return used, scanned
}

// scanName finds the colon that ends a name. Without one it returns the position of the line's end, and ok is false.
func (s *scanner) scanName(b []byte) (int, bool) {
	var end byte
	folds := 0
	for i, c := range b {
		switch {
		case end == 0:
			if c == ':' {
				return i, true
			}
			if c == '\n' || s.response && c == '\r' {
				end = c
			}
		case c == ' ' && folds < maxFolds:
			end = 0
			folds++
		case c == '\n' && end == '\r':
			end = c
		default:
			return i - 1, false
		}
	}
	return 0, false
}

// field scans one header field at the front of b and returns its length. name, value and flags are set.
func (s *scanner) field(b []byte) (int, scanState) {
	s.flags = 0
	if i, ok := s.scanName(b); ok {
		j := i + 1
		for j < len(b) && isBlank(b[j]) {
			j++
		}
		if j < len(b) {
			if n, st := s.scanValue(b[j:]); st == scanned {
				s.setName(b[:i])
				return j + n, scanned
			}
		}
	}
	s.flags = hdrNoColon
	s.name = nil
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		return 0, mismatch
	}
	return s.scanValue(b)
}

func (s *scanner) setName(b []byte) {
	if len(b) == 0 {
		s.name = b
		s.flags |= hdrEmptyName | hdrNoColon
		return
	}
	if isBlank(b[0]) {
		s.flags |= hdrSpaceBefore
	}
	if isBlank(b[len(b)-1]) {
		s.flags |= hdrSpaceAfter
	}
	i := 0
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	for i < len(b) && tokenChars[b[i]] {
		i++
	}
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	if i < len(b) {
		s.flags |= hdrNotToken
	}
	s.name = trim(b)
}
