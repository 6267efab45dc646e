package mem

import "sync/atomic"

// Purpose is what memory is for. Memory is counted by purpose.
type Purpose uint8

// The purposes.
const (
	Flows      Purpose = iota // flow records and their hash table
	Sessions                  // TCP sessions
	Segments                  // TCP segment and region records
	StreamData                // bytes of TCP streams
	Defrag                    // IP fragments
	Scratch                   // scan buffers of a worker
	Other
	PurposeCount
)

var purposeNames = [PurposeCount]string{"flows", "sessions", "segments", "stream-data", "defrag", "scratch", "other"}

var inUse [PurposeCount]atomic.Int64

func (p Purpose) String() string {
	if p < PurposeCount {
		return purposeNames[p]
	}
	return "invalid"
}

// InUse returns the bytes that the process holds from the operating system for p.
func InUse(p Purpose) int64 { return inUse[p].Load() }

// Map returns n zero bytes outside the heap, counted for p; nil when there is no memory. It is for what lives long: it
// costs a system call.
func Map(p Purpose, n int) []byte {
	if n <= 0 {
		return nil
	}
	b := mapped(n)
	if b != nil {
		inUse[p].Add(int64(n))
	}
	return b
}

// Unmap gives back what Map returned. The bytes must not be touched afterwards.
func Unmap(p Purpose, b []byte) {
	if len(b) == 0 {
		return
	}
	inUse[p].Add(-int64(len(b)))
	unmap(b)
}

// Budget is a memcap. It may be shared by several goroutines.
type Budget struct {
	limit, used atomic.Int64
}

// NewBudget returns a budget of limit bytes; 0 means no limit.
func NewBudget(limit int64) *Budget {
	b := &Budget{}
	b.limit.Store(limit)
	return b
}

// Take charges n bytes. It reports false, and charges nothing, when that would pass the limit.
func (b *Budget) Take(n int64) bool {
	u := b.used.Add(n)
	if l := b.limit.Load(); l != 0 && u > l {
		b.used.Add(-n)
		return false
	}
	return true
}

// Fits reports whether n bytes more would be within the limit.
func (b *Budget) Fits(n int64) bool {
	l := b.limit.Load()
	return l == 0 || b.used.Load()+n <= l
}

// Give returns n bytes.
func (b *Budget) Give(n int64) { b.used.Add(-n) }

// Used returns the bytes charged.
func (b *Budget) Used() int64 { return b.used.Load() }

// Limit returns the memcap; 0 means none.
func (b *Budget) Limit() int64 { return b.limit.Load() }

// SetLimit changes the memcap. What is charged already stays charged.
func (b *Budget) SetLimit(n int64) { b.limit.Store(n) }
