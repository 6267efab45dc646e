package mem

import "syscall"

// huge asks for large pages: records are touched at random, and a page walk costs as much as a cache miss. It is a hint
// only; the kernel may have them switched off.
func huge(b []byte) {
	if len(b) >= 2<<20 {
		_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE)
	}
}
