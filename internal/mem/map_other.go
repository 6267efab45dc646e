//go:build !unix

package mem

// mapped returns n zero bytes. Where there is no mmap they lie on the heap, as one object without pointers.
func mapped(n int) []byte {
	w := make([]uint64, (n+7)/8)
	return bytesOf(w)[:n:n]
}

func unmap([]byte) {}
