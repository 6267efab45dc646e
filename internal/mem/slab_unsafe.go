package mem

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Poison fills freed memory in builds with -tags invariants.
const Poison = 0xCC

const (
	chunkShift = 13 // records in a chunk of a Slab: 8192
	chunkSize  = 1 << chunkShift
	chunkMask  = chunkSize - 1
)

// Slab holds records of a pointer-free type. A record is named by an index; 0 names none. Records do not move. Freed
// records are used again, last freed first; the memory stays with the slab.
type Slab[T any] struct {
	chunks  []*[chunkSize]T
	raw     [][]byte
	free    []uint32 // stack of freed indices
	fresh   uint32   // first index that was never used
	inUse   int
	purpose Purpose
	budget  *Budget
	size    int64
}

// NewSlab returns a slab whose records in use are charged to b. T must not contain pointers.
func NewSlab[T any](p Purpose, b *Budget) *Slab[T] {
	t := reflect.TypeFor[T]()
	if hasPointers(t) {
		panic(fmt.Sprintf("mem: slab of %s, which has pointers", t))
	}
	return &Slab[T]{fresh: 1, purpose: p, budget: b, size: int64(t.Size())}
}

// New returns the index of a zeroed record, or 0 when the budget is used up.
func (s *Slab[T]) New() uint32 {
	if !s.budget.Take(s.size) {
		return 0
	}
	i := s.fresh
	if n := len(s.free); n > 0 {
		i = s.free[n-1]
		s.free = s.free[:n-1]
		var zero T
		*s.At(i) = zero
	} else if !s.reserve(i) {
		s.budget.Give(s.size)
		return 0
	} else {
		s.fresh++
	}
	s.inUse++
	return i
}

func (s *Slab[T]) reserve(i uint32) bool {
	if int(i>>chunkShift) < len(s.chunks) {
		return true
	}
	if len(s.chunks) >= 1<<(32-chunkShift) {
		return false
	}
	b := Map(s.purpose, int(s.size)*chunkSize)
	if b == nil {
		return false
	}
	if len(s.chunks) > 0 { // a small table does not need them
		huge(b)
	}
	s.raw = append(s.raw, b)
	s.chunks = append(s.chunks, (*[chunkSize]T)(unsafe.Pointer(unsafe.SliceData(b))))
	// The stack of freed indices never needs more room than there are records, so that Free does not allocate.
	if need := len(s.chunks) * chunkSize; cap(s.free) < need {
		f := make([]uint32, len(s.free), 2*need)
		copy(f, s.free)
		s.free = f
	}
	return true
}

// Prealloc maps memory for n records, so that later records cost no system call. It stops early without memory.
func (s *Slab[T]) Prealloc(n int) {
	for i := len(s.chunks) * chunkSize; i <= n; i += chunkSize {
		if !s.budget.Fits(int64(i)*s.size) || !s.reserve(uint32(i)) {
			return
		}
	}
}

// At returns record i. Preconditions: i came from New and was not freed.
func (s *Slab[T]) At(i uint32) *T { return &s.chunks[i>>chunkShift][i&chunkMask] }

// Free gives record i back. Freeing 0 does nothing.
func (s *Slab[T]) Free(i uint32) {
	if i == 0 {
		return
	}
	if Invariants {
		r := s.At(i)
		b := unsafe.Slice((*byte)(unsafe.Pointer(r)), s.size)
		for k := range b {
			b[k] = Poison
		}
	}
	s.free = append(s.free, i)
	s.inUse--
	s.budget.Give(s.size)
}

// InUse returns the number of records in use.
func (s *Slab[T]) InUse() int { return s.inUse }

// Spare returns the number of records that have memory but are not in use.
func (s *Slab[T]) Spare() int { return max(len(s.chunks)*chunkSize-1-s.inUse, 0) }

// Size returns the bytes of a record.
func (s *Slab[T]) Size() int64 { return s.size }

// High returns the first index that was never given out: all records lie below it.
func (s *Slab[T]) High() uint32 { return s.fresh }

// Close returns all memory. No record may be touched afterwards.
func (s *Slab[T]) Close() {
	s.budget.Give(int64(s.inUse) * s.size)
	for _, b := range s.raw {
		Unmap(s.purpose, b)
	}
	*s = Slab[T]{fresh: 1, purpose: s.purpose, budget: s.budget, size: s.size}
}

// Words returns n zeroed uint32 outside the heap, or nil. UnmapWords gives them back.
func Words(p Purpose, n int) []uint32 {
	b := Map(p, 4*n)
	if b == nil {
		return nil
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// UnmapWords gives back what Words returned.
func UnmapWords(p Purpose, w []uint32) {
	if len(w) > 0 {
		Unmap(p, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), 4*len(w)))
	}
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return false
	case reflect.Array:
		return hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	}
	return true
}
