package ac

import (
	"bytes"
	"errors"

	"sentinel/detect/mpm"
)

// scanner scans when a buffer is added: there is no call into C to save.
type scanner struct {
	hits  []uint32
	ends  []uint32 // by job: end of its hits
	seen  []uint32 // by pattern: the last job, by stamp, that hit it
	stamp uint32
	fresh bool
	err   error
}

var _ mpm.Scanner = (*scanner)(nil)

func (engine) NewScanner() (mpm.Scanner, error) {
	return &scanner{hits: make([]uint32, 0, 1024), ends: make([]uint32, 0, 64)}, nil
}

func (s *scanner) Adopt(m mpm.Set) error {
	x, ok := m.(*set)
	if !ok || x == nil || x.closed {
		return errors.New("ac: the set is closed or another engine's")
	}
	if n := len(x.ps) - len(s.seen); n > 0 {
		s.seen = append(s.seen, make([]uint32, n)...)
	}
	return nil
}

func (s *scanner) Add(m mpm.Set, data []byte) int {
	if s.fresh {
		s.hits, s.ends, s.fresh, s.err = s.hits[:0], s.ends[:0], false, nil
	}
	if len(s.ends) == mpm.MaxJobs {
		return -1
	}
	if x, ok := m.(*set); ok && x != nil && !x.closed {
		if len(x.ps) > len(s.seen) {
			_ = s.Adopt(x) // cannot fail: it is ours and open
		}
		s.scan(x, data)
	} else if m != nil && !ok {
		s.err = errors.New("ac: a set of another engine")
	}
	s.ends = append(s.ends, uint32(len(s.hits)))
	return len(s.ends) - 1
}

func (s *scanner) scan(x *set, data []byte) {
	if s.stamp++; s.stamp == 0 {
		clear(s.seen)
		s.stamp = 1
	}
	next, state := x.next, uint32(0)
	for i, c := range data {
		state = next[state+uint32(x.class[c])]
		if state&hasOut == 0 {
			continue
		}
		state &^= hasOut
		for e := x.out[state/x.width]; e != 0; e = x.heads[e].next {
			k := x.heads[e].pattern
			if s.seen[k] == s.stamp {
				continue
			}
			p := &x.ps[k]
			end := uint64(i) + 1
			if end < uint64(p.len)+uint64(p.offset) || p.depth != 0 && end > uint64(p.depth) {
				continue
			}
			got, want := data[end-uint64(p.len):end], x.text[p.from:p.from+p.len]
			if p.nocase && !equalLower(got, want) || !p.nocase && !bytes.Equal(got, want) {
				continue
			}
			s.seen[k] = s.stamp
			s.hits = append(s.hits, p.id)
		}
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

func (s *scanner) Run() error {
	if s.fresh { // nothing was added
		s.hits, s.ends, s.err = s.hits[:0], s.ends[:0], nil
	}
	s.fresh = true
	return s.err
}

func (s *scanner) Hits(job int) []uint32 {
	if uint(job) >= uint(len(s.ends)) {
		return nil
	}
	from, to := uint32(0), s.ends[job]
	if job > 0 {
		from = s.ends[job-1]
	}
	return s.hits[from:to:to]
}

func (s *scanner) Close() error {
	*s = scanner{}
	return nil
}
