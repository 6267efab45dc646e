package counter

import "sync/atomic"

// Set is one worker's counters. Its methods are for the goroutine that owns it, and cost an addition;
// the registry reads it from elsewhere at any time.
//
// A value has one writer, so that reading it, adding and storing it loses nothing. Loads are atomic, and
// stores are plain: an aligned word is never seen half-written, and an atomic store would be a locked
// exchange on amd64. Builds for the race detector store atomically (store_race.go).
type Set struct {
	thread   string
	prefixes []string
	values   []uint64
}

// Thread returns the name that the set was made with.
func (s *Set) Thread() string { return s.thread }

// Inc adds one.
func (s *Set) Inc(id ID) { add(&s.values[id], 1) }

// Add adds n.
func (s *Set) Add(id ID, n uint64) { add(&s.values[id], n) }

// Dec takes one away, from a level such as the number of open flows.
func (s *Set) Dec(id ID) { add(&s.values[id], ^uint64(0)) }

// Put sets a gauge.
func (s *Set) Put(id ID, v uint64) { store(&s.values[id], v) }

// Observe adds a value to an average.
func (s *Set) Observe(id ID, v uint64) {
	if id != 0 {
		add(&s.values[id], v)
		add(&s.values[id+1], 1)
	}
}

// Max raises a maximum to v if it is lower.
func (s *Set) Max(id ID, v uint64) {
	if v > s.values[id] {
		store(&s.values[id], v)
	}
}

// Get returns the owner's current value of a sum, gauge or maximum.
func (s *Set) Get(id ID) uint64 { return s.values[id] }

func load(p *uint64) uint64 { return atomic.LoadUint64(p) }
