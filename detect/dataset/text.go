package dataset

// Find returns a set by name, or nil when there is none of that name and type.
func (s *Sets) Find(name string, t Type) *Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set := s.byName[name]; set != nil && set.Type == t {
		return set
	}
	return nil
}

// Outcome is what came of changing a set by a value in text.
type Outcome uint8

// The outcomes.
const (
	Done    Outcome = iota
	Already         // the value was there
	Failed          // not a value of the set's type, not there to be removed, or no room
)

// AddText adds a value written as in files.
func (s *Set) AddText(text string) Outcome {
	v, why := s.Type.parse(text)
	if why != "" {
		return Failed
	}
	switch s.add(v, content{}) {
	case added:
		return Done
	case present:
		return Already
	}
	return Failed
}

// RemoveText removes a value written as in files.
func (s *Set) RemoveText(text string) Outcome {
	if v, why := s.Type.parse(text); why != "" || !s.Remove(v) {
		return Failed
	}
	return Done
}

// HasText reports whether a value written as in files is in the set.
func (s *Set) HasText(text string) bool {
	v, why := s.Type.parse(text)
	if why != "" {
		return false
	}
	_, ok := s.Has(v)
	return ok
}

// Clear removes all values.
func (s *Set) Clear() {
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		for k := range h.list {
			e := &h.list[k]
			if e.value == nil {
				continue
			}
			s.used.Add(-s.cost(e.value, &e.content))
			if s.count.Add(^uint64(0)) >= prealloc {
				s.used.Add(^uint64(overhead - 1))
			}
		}
		clear(h.at)
		h.list, h.free = nil, 0
		h.mu.Unlock()
	}
}
