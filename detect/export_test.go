package detect

import (
	"sentinel/stream"
	"sentinel/stream/flow"
)

// SetRaw replaces where a worker takes the reassembled stream from.
func (w *Worker) SetRaw(f func(u *stream.Unit) ([]byte, uint64, bool)) {
	w.raw = f
	w.updated = func(*stream.State, flow.Dir) bool { return true }
}

// FastPattern is the pattern that rule i is prefiltered by, and its buffer.
func (rs *Ruleset) FastPattern(i int) (data, buffer string) {
	f := rs.rules[i].fast
	if f == nil {
		return "", ""
	}
	if f.use == nil {
		return string(f.data), "payload"
	}
	return string(f.data), f.use.def.name
}

// Sets is the number of payload databases.
func (rs *Ruleset) Sets() int { return len(rs.payload) }

// Heads is the number of header predicates.
func (rs *Ruleset) Heads() int { return len(rs.heads) }

// Narrowed waits until all databases that were asked for are made, and returns how many there are.
func (rs *Ruleset) Narrowed() int {
	rs.narrower.wg.Wait()
	n := 0
	for _, x := range rs.narrower.made {
		if x.state.Load() == narrowReady {
			n++
		}
	}
	return n
}
