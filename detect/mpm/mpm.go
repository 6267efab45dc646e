package mpm

import (
	"errors"
	"fmt"
)

// Pattern is one byte string to look for.
type Pattern struct {
	ID     uint32 // what a scan reports; unique in a set
	Data   []byte // at least one byte, unless Regex is set
	Nocase bool   // ASCII letters match in either case

	// Offset is the least position in the buffer at which the pattern may begin, and Depth, if not 0,
	// the greatest at which it may end, counted from the start of the buffer too. Hyperscan takes five
	// times as long to compile sets with them and scans no faster: leave them out if hits are checked
	// anyway.
	Offset, Depth uint32

	// Regex, if not empty, is looked for instead of Data. It is a prefilter: it may be reported where a
	// backtracking engine would not match. Only some engines take it.
	Regex string
}

// Engine compiles patterns and scans for them.
type Engine interface {
	Name() string
	Version() string // of the engine and what its compiled sets depend on, as CPU features
	Compile([]Pattern) (Set, error)
	Unmarshal([]byte) (Set, error) // of what Set.Marshal returned; any error means: compile again
	NewScanner() (Scanner, error)
}

// Set is patterns compiled. It is immutable and workers share it. Close it when no scanner will be
// given it any more.
type Set interface {
	Size() int // bytes of memory
	Marshal() ([]byte, error)
	Close() error
}

// Scanner looks for patterns in a batch of buffers. One goroutine owns it.
//
// Between Run and the next Add results can be read:
//
//	job := sc.Add(set, buffer) // for each buffer
//	err := sc.Run()
//	for _, id := range sc.Hits(job) { … }
type Scanner interface {
	// Adopt makes room for a set, so that its first Add does not. It is optional.
	Adopt(Set) error
	// Add queues a buffer and returns the number of the job, counting from 0 since the last Run. The
	// buffer is the caller's again when Add returns. A nil set never matches. Add returns -1, and does
	// nothing, when MaxJobs are queued.
	Add(set Set, data []byte) int
	// Run scans what is queued. After an error hits may be missing.
	Run() error
	// Hits returns the IDs of the patterns that a job's buffer holds, each once, in no order. They are
	// valid until the next Add.
	Hits(job int) []uint32
	Close() error
}

// MaxJobs is the greatest number of jobs between two Runs.
const MaxJobs = 1 << 16

// ErrEmpty is returned for a set without patterns.
var ErrEmpty = errors.New("no patterns to compile")

// Check reports what is wrong with patterns for any engine.
func Check(ps []Pattern) error {
	if len(ps) == 0 {
		return ErrEmpty
	}
	seen := make(map[uint32]struct{}, len(ps))
	for i := range ps {
		p := &ps[i]
		if _, dup := seen[p.ID]; dup {
			return fmt.Errorf("pattern %d is there twice", p.ID)
		}
		seen[p.ID] = struct{}{}
		if p.Regex != "" {
			continue
		}
		if len(p.Data) == 0 {
			return fmt.Errorf("pattern %d is empty", p.ID)
		}
		if p.Depth != 0 && uint64(p.Offset)+uint64(len(p.Data)) > uint64(p.Depth) {
			return fmt.Errorf("pattern %d does not fit between its offset and depth", p.ID)
		}
	}
	return nil
}
