package affinity

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"sentinel/internal/cpulist"
)

// MaxCPU is how many processors a Set can tell apart.
const MaxCPU = 1024

// A Set is a set of processors by number. The zero value is empty.
type Set [MaxCPU / 64]uint64

// Add puts a processor into the set; one out of range is left out.
func (s *Set) Add(cpu int) {
	if cpu >= 0 && cpu < MaxCPU {
		s[cpu/64] |= 1 << (cpu % 64)
	}
}

// Has reports whether a processor is in the set.
func (s Set) Has(cpu int) bool { return cpu >= 0 && cpu < MaxCPU && s[cpu/64]&(1<<(cpu%64)) != 0 }

// Len is how many processors are in the set.
func (s Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// And returns what is in both sets.
func (s Set) And(o Set) Set {
	for i := range s {
		s[i] &= o[i]
	}
	return s
}

// Minus returns what is in s and not in o.
func (s Set) Minus(o Set) Set {
	for i := range s {
		s[i] &^= o[i]
	}
	return s
}

// List returns the processors in rising order.
func (s Set) List() []int {
	var out []int
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			out = append(out, i*64+bits.TrailingZeros64(w))
		}
	}
	return out
}

// String writes the set as the kernel does: 0-3,8.
func (s Set) String() string { return cpulist.Format(s.List()) }

// Parse reads processors as a configuration has them: each word is a number, a range such as 1-3, or all, which is what all holds.
// Processors that the machine does not have are in missing.
func Parse(words []string, all, online Set) (s, missing Set, err error) {
	for _, word := range words {
		for part := range strings.SplitSeq(word, ",") {
			if part = strings.TrimSpace(part); part == "all" {
				return all, Set{}, nil
			}
			low, high, err := parseRange(part)
			if err != nil {
				return Set{}, Set{}, err
			}
			for c := low; c <= high; c++ {
				s.Add(c)
			}
		}
	}
	return s.And(online), s.Minus(online), nil
}

func parseRange(word string) (low, high int, err error) {
	low, high, err = cpulist.Range(word)
	switch {
	case errors.Is(err, cpulist.ErrOrder):
		return 0, 0, fmt.Errorf("%q is not a range: its first number is greater than its last", word)
	case err != nil:
		return 0, 0, fmt.Errorf("%q is not a processor: use a number, a range such as 1-3, or all", word)
	case high >= MaxCPU:
		return 0, 0, fmt.Errorf("there is no processor %d: the greatest that can be used is %d", high, MaxCPU-1)
	}
	return low, high, nil
}

// parseKernel reads a list of processors as the kernel writes it.
func parseKernel(text string) (s Set, ok bool) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		if part == "" {
			continue
		}
		low, high, err := parseRange(part)
		if err != nil {
			return Set{}, false
		}
		for c := low; c <= high; c++ {
			s.Add(c)
		}
	}
	return s, true
}
