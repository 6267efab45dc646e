//go:build cgo

package hyperscan

// #cgo pkg-config: libhs
// #include <stdlib.h>
// #include <hs.h>
//
// static int sn_marshal(const hs_database_t *db, char **bytes, size_t *n) {
//	return hs_serialize_database(db, bytes, n);
// }
//
// // The bytecode is cache-line aligned inside a database, if the database is.
// static int sn_unmarshal(const char *bytes, size_t n, hs_database_t **out, size_t *size) {
//	void *mem = NULL;
//	int err = hs_serialized_database_size(bytes, n, size);
//	if (err != HS_SUCCESS)
//		return err;
//	if (posix_memalign(&mem, 64, *size) != 0)
//		return HS_NOMEM;
//	err = hs_deserialize_database_at(bytes, n, (hs_database_t *)mem);
//	if (err != HS_SUCCESS) {
//		free(mem);
//		return err;
//	}
//	*out = (hs_database_t *)mem;
//	return HS_SUCCESS;
// }
//
// #ifdef __GLIBC__
// #include <malloc.h>
// static void sn_trim(void) { malloc_trim(0); }
// #else
// static void sn_trim(void) {}
// #endif
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"sentinel/detect/mpm"
)

// Trim gives memory that compiling has left free to the system. The C library would keep it for the next time, and more each time.
func Trim() { C.sn_trim() }

// Available reports whether this build has the engine.
const Available = true

type engine struct{ version string }

var _ mpm.Engine = (*engine)(nil)

// New returns the engine, or an error if this CPU lacks what the library needs.
func New() (mpm.Engine, error) {
	if err := C.hs_valid_platform(); err != C.HS_SUCCESS {
		return nil, errors.New("hyperscan does not run on this CPU")
	}
	var p C.hs_platform_info_t
	if err := C.hs_populate_platform(&p); err != C.HS_SUCCESS {
		return nil, failure("cannot ask for the platform", err)
	}
	return &engine{fmt.Sprintf("%s tune=%d cpu=%x", C.GoString(C.hs_version()), uint(p.tune), uint64(p.cpu_features))}, nil
}

func (*engine) Name() string      { return "hyperscan" }
func (e *engine) Version() string { return e.version }

// set is a compiled database.
type set struct {
	db     *C.hs_database_t
	size   int
	ours   bool   // in memory of ours, not of the library
	serial uint32 // numbers sets, so that scanners know which they have room for
}

var serials atomic.Uint32

func newSet(db *C.hs_database_t, size int, ours bool) *set {
	return &set{db: db, size: size, ours: ours, serial: serials.Add(1)}
}

// Compile makes one database of patterns. Literals become escaped expressions: the library's literal
// interface scans no faster and some versions refuse literals that start with NUL.
func (*engine) Compile(ps []mpm.Pattern) (mpm.Set, error) {
	if err := mpm.Check(ps); err != nil {
		return nil, err
	}
	n := len(ps)
	total := 0
	for i := range ps {
		total += expressionLen(&ps[i]) + 1
	}
	text := C.malloc(C.size_t(total))
	exprs := C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(uintptr(0))))
	exts := C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(uintptr(0))))
	ext := C.calloc(C.size_t(n), C.sizeof_hs_expr_ext_t)
	flags := C.calloc(C.size_t(n), C.sizeof_uint)
	ids := C.calloc(C.size_t(n), C.sizeof_uint)
	defer func() {
		for _, p := range [...]unsafe.Pointer{text, exprs, exts, ext, flags, ids} {
			C.free(p)
		}
	}()
	textS := unsafe.Slice((*byte)(text), total)[:0]
	exprS := unsafe.Slice((*uintptr)(exprs), n)
	extsS := unsafe.Slice((*uintptr)(exts), n)
	extS := unsafe.Slice((*C.hs_expr_ext_t)(ext), n)
	flagS := unsafe.Slice((*C.uint)(flags), n)
	idS := unsafe.Slice((*C.uint)(ids), n)
	for i := range ps {
		p := &ps[i]
		exprS[i] = uintptr(text) + uintptr(len(textS))
		extsS[i] = uintptr(unsafe.Pointer(&extS[i]))
		textS = append(appendExpression(textS, p), 0)
		flagS[i] = C.HS_FLAG_SINGLEMATCH
		if p.Regex != "" {
			flagS[i] |= C.HS_FLAG_PREFILTER
		} else {
			flagS[i] |= C.HS_FLAG_DOTALL
		}
		if p.Nocase {
			flagS[i] |= C.HS_FLAG_CASELESS
		}
		// Both of the library's bounds are on where a match ends.
		if p.Offset != 0 {
			extS[i].flags |= C.HS_EXT_FLAG_MIN_OFFSET
			extS[i].min_offset = C.ulonglong(p.Offset) + C.ulonglong(len(p.Data))
		}
		if p.Depth != 0 {
			extS[i].flags |= C.HS_EXT_FLAG_MAX_OFFSET
			extS[i].max_offset = C.ulonglong(p.Depth)
		}
		idS[i] = C.uint(p.ID)
	}
	var db *C.hs_database_t
	var bad *C.hs_compile_error_t
	err := C.hs_compile_ext_multi((**C.char)(exprs), (*C.uint)(flags), (*C.uint)(ids), (**C.hs_expr_ext_t)(exts),
		C.uint(n), C.HS_MODE_BLOCK, nil, &db, &bad)
	if err != C.HS_SUCCESS {
		if bad == nil {
			return nil, failure("cannot compile", err)
		}
		defer C.hs_free_compile_error(bad)
		if k := int(bad.expression); k >= 0 && k < n {
			return nil, fmt.Errorf("hyperscan: pattern %d: %s", ps[k].ID, C.GoString(bad.message))
		}
		return nil, fmt.Errorf("hyperscan: %s", C.GoString(bad.message))
	}
	var size C.size_t
	if err := C.hs_database_size(db, &size); err != C.HS_SUCCESS {
		C.hs_free_database(db)
		return nil, failure("cannot ask for the size of a database", err)
	}
	return newSet(db, int(size), false), nil
}

func expressionLen(p *mpm.Pattern) int {
	if p.Regex != "" {
		return len(p.Regex)
	}
	return 4 * len(p.Data)
}

func appendExpression(b []byte, p *mpm.Pattern) []byte {
	if p.Regex != "" {
		return append(b, p.Regex...)
	}
	const hex = "0123456789abcdef"
	for _, c := range p.Data {
		b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
	}
	return b
}

// Unmarshal loads a database. The library checks version, platform and checksum.
func (*engine) Unmarshal(b []byte) (mpm.Set, error) {
	if len(b) == 0 {
		return nil, errors.New("hyperscan: cannot load an empty database")
	}
	var db *C.hs_database_t
	var size C.size_t
	if err := C.sn_unmarshal((*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(b)), &db, &size); err != C.HS_SUCCESS {
		return nil, failure("cannot load a database", err)
	}
	return newSet(db, int(size), true), nil
}

func (s *set) Size() int { return s.size }

func (s *set) Marshal() ([]byte, error) {
	if s.db == nil {
		return nil, errors.New("hyperscan: the set is closed")
	}
	var p *C.char
	var n C.size_t
	if err := C.sn_marshal(s.db, &p, &n); err != C.HS_SUCCESS {
		return nil, failure("cannot serialize a database", err)
	}
	defer C.free(unsafe.Pointer(p))
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(p)), int(n))...), nil
}

func (s *set) Close() error {
	if s.db == nil {
		return nil
	}
	if s.ours {
		C.free(unsafe.Pointer(s.db))
	} else {
		C.hs_free_database(s.db)
	}
	s.db = nil
	return nil
}

var reasons = map[int]string{
	C.HS_INVALID: "invalid argument", C.HS_NOMEM: "out of memory", C.HS_SCAN_TERMINATED: "scan terminated",
	C.HS_DB_VERSION_ERROR: "made by another version", C.HS_DB_PLATFORM_ERROR: "made for another CPU", C.HS_DB_MODE_ERROR: "wrong mode",
	C.HS_BAD_ALIGN: "bad alignment", C.HS_SCRATCH_IN_USE: "scratch in use", C.HS_ARCH_ERROR: "CPU not supported",
}

func failure(what string, err C.int) error {
	why, ok := reasons[int(err)]
	if !ok {
		why = fmt.Sprintf("error %d", int(err))
	}
	return fmt.Errorf("hyperscan: %s: %s", what, why)
}
