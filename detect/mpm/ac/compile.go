package ac

import (
	"errors"
	"fmt"

	"sentinel/detect/mpm"
)

const (
	// tail is how many bytes of a pattern's end are in the automaton. More bytes mean more states and
	// fewer comparisons; eight keep 10,000 patterns within the caches of a large CPU.
	tail = 8
	// maxTable bounds the memory of one set's transitions, in entries of four bytes.
	maxTable = 1 << 28
)

type engine struct{}

var _ mpm.Engine = engine{}

// New returns the engine.
func New() mpm.Engine { return engine{} }

func (engine) Name() string    { return "ac" }
func (engine) Version() string { return "1" }

// Unmarshal fails: compiling is as fast as loading.
func (engine) Unmarshal([]byte) (mpm.Set, error) { return nil, errors.ErrUnsupported }

// set is an automaton over lower-cased bytes.
//
// States are numbered so that a transition is next[state*width + class of the byte].
type set struct {
	class  [256]uint8
	width  uint32
	next   []uint32 // state*width + class -> state*width, with the top bit if the state has patterns
	out    []uint32 // by state: index of its first entry in heads, or 0
	heads  []entry
	ps     []pattern
	text   []byte // bytes of all patterns, lower-cased where nocase
	closed bool
}

// hasOut marks transitions to states where patterns end.
const hasOut = 1 << 31

// entry is a pattern that may end in a state; next chains to others, of shorter tails too.
type entry struct{ pattern, next uint32 }

type pattern struct {
	id, from, len uint32 // from, len: in text
	offset, depth uint32
	nocase        bool
}

// Compile builds the automaton.
func (engine) Compile(ps []mpm.Pattern) (mpm.Set, error) {
	if err := mpm.Check(ps); err != nil {
		return nil, err
	}
	s := &set{ps: make([]pattern, len(ps)), width: 1}
	states := 1
	for i := range ps {
		p := &ps[i]
		if p.Regex != "" {
			return nil, fmt.Errorf("ac: pattern %d is a regular expression", p.ID)
		}
		if uint64(len(s.text))+uint64(len(p.Data)) > 1<<31 {
			return nil, errors.New("ac: the patterns are too large")
		}
		s.ps[i] = pattern{id: p.ID, from: uint32(len(s.text)), len: uint32(len(p.Data)), offset: p.Offset, depth: p.Depth, nocase: p.Nocase}
		for k, c := range p.Data {
			if k >= len(p.Data)-tail && s.class[lower[c]] == 0 {
				// Class 0 is every byte that no tail holds. There are at most 230 others.
				s.class[lower[c]] = uint8(s.width)
				s.width++
			}
			if p.Nocase {
				c = lower[c]
			}
			s.text = append(s.text, c)
		}
		states += min(len(p.Data), tail)
	}
	for c := byte('A'); c <= 'Z'; c++ {
		s.class[c] = s.class[lower[c]]
	}
	if uint64(states)*uint64(s.width) > maxTable {
		return nil, errors.New("ac: the patterns need too much memory")
	}
	s.build()
	return s, nil
}

// build makes the trie of tails, and then, level by level, the transitions and outputs that a state
// has from its longest proper suffix.
func (s *set) build() {
	w := s.width
	s.next = make([]uint32, w)
	s.out = []uint32{0}
	s.heads = []entry{{}}
	for i := range s.ps {
		p := &s.ps[i]
		t := s.text[p.from : p.from+p.len]
		state := uint32(0)
		for _, c := range t[max(0, len(t)-tail):] {
			k := state*w + uint32(s.class[lower[c]])
			if s.next[k] == 0 {
				s.next[k] = uint32(len(s.out)) * w
				s.out = append(s.out, 0)
				s.next = append(s.next, make([]uint32, w)...)
			}
			state = s.next[k] / w
		}
		s.heads = append(s.heads, entry{uint32(i), s.out[state]})
		s.out[state] = uint32(len(s.heads) - 1)
	}
	fail := make([]uint32, len(s.out))
	queue := make([]uint32, 0, len(s.out))
	for k := range w {
		if to := s.next[k]; to != 0 {
			queue = append(queue, to/w)
		}
	}
	for q := 0; q < len(queue); q++ {
		state := queue[q]
		f := fail[state]
		// Outputs of the suffix follow one's own.
		if o := s.out[state]; o == 0 {
			s.out[state] = s.out[f]
		} else {
			for s.heads[o].next != 0 {
				o = s.heads[o].next
			}
			s.heads[o].next = s.out[f]
		}
		for k := range w {
			to, onFail := s.next[state*w+k], s.next[f*w+k]
			if to == 0 {
				s.next[state*w+k] = onFail
				continue
			}
			fail[to/w] = onFail / w
			queue = append(queue, to/w)
		}
	}
	for i, to := range s.next {
		if s.out[to/w] != 0 {
			s.next[i] = to | hasOut
		}
	}
}

func (s *set) Size() int {
	return 4*(len(s.next)+len(s.out)) + 8*len(s.heads) + 24*len(s.ps) + len(s.text) + 300
}

// Marshal fails: compiling is as fast as loading.
func (s *set) Marshal() ([]byte, error) { return nil, errors.ErrUnsupported }

func (s *set) Close() error {
	s.closed = true
	return nil
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
