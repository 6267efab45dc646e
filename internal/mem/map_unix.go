//go:build unix

package mem

import "syscall"

// mapped returns n zero bytes outside the heap, or nil.
func mapped(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b
}

func unmap(b []byte) {
	// The only error is a slice that did not come from mapped.
	_ = syscall.Munmap(b)
}
