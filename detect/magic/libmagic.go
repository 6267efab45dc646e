//go:build cgo

package magic

// #cgo pkg-config: libmagic
// #cgo noescape sn_text
// #cgo nocallback sn_text
// #include <magic.h>
// #include <stdlib.h>
//
// static const char *sn_text(magic_t m, const void *b, size_t n) { return magic_buffer(m, b, n); }
import "C"

import (
	"fmt"
	"unsafe"
)

// Available tells whether this build can name kinds of files.
const Available = true

// Library is a loaded database. It belongs to one goroutine.
type Library struct{ m C.magic_t }

// Open loads the database in a file; "" is the system's own.
func Open(path string) (*Library, error) {
	m := C.magic_open(C.MAGIC_NONE)
	if m == nil {
		return nil, fmt.Errorf("cannot open libmagic")
	}
	var name *C.char
	if path != "" {
		name = C.CString(path)
		defer C.free(unsafe.Pointer(name))
	}
	if C.magic_load(m, name) != 0 {
		err := fmt.Errorf("cannot load the magic file: %s", C.GoString(C.magic_error(m)))
		C.magic_close(m)
		return nil, err
	}
	return &Library{m}, nil
}

// Text names the kind of a file by its first bytes; "" if there are none.
func (l *Library) Text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	s := C.sn_text(l.m, unsafe.Pointer(&b[0]), C.size_t(len(b)))
	if s == nil {
		return ""
	}
	return C.GoString(s)
}

// Close gives the database back.
func (l *Library) Close() {
	if l.m != nil {
		C.magic_close(l.m)
		l.m = nil
	}
}
