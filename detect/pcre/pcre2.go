//go:build cgo

package pcre

// #cgo pkg-config: libpcre2-8
// #cgo noescape sn_match
// #cgo nocallback sn_match
// #define PCRE2_CODE_UNIT_WIDTH 8
// #include <pcre2.h>
//
// static pcre2_code *sn_compile(const unsigned char *s, size_t n, uint32_t flags, int *err, size_t *at) {
//	return pcre2_compile(s, n, flags, err, at, NULL);
// }
//
// static int sn_match(const pcre2_code *re, const unsigned char *s, size_t n, size_t start, pcre2_match_data *md, pcre2_match_context *ctx) {
//	static const unsigned char none[1];
//	return pcre2_match(re, s ? s : none, n, start, 0, md, ctx);
// }
//
// static uint32_t sn_groups(const pcre2_code *re) {
//	uint32_t n = 0;
//	pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &n);
//	return n;
// }
//
// static int sn_message(int err, unsigned char *b, size_t n) { return pcre2_get_error_message(err, b, n); }
// static void sn_free_code(pcre2_code *re) { pcre2_code_free(re); }
// static pcre2_match_data *sn_data(uint32_t groups) { return pcre2_match_data_create(groups, NULL); }
// static size_t *sn_vector(pcre2_match_data *md) { return pcre2_get_ovector_pointer(md); }
// static int sn_jit(pcre2_code *re) { return pcre2_jit_compile(re, PCRE2_JIT_COMPLETE); }
//
// static pcre2_match_context *sn_context(uint32_t match, uint32_t depth, pcre2_jit_stack *stack) {
//	pcre2_match_context *c = pcre2_match_context_create(NULL);
//	if (c != NULL) {
//		pcre2_set_match_limit(c, match);
//		pcre2_set_depth_limit(c, depth);
//		pcre2_jit_stack_assign(c, NULL, stack);
//	}
//	return c;
// }
//
// static pcre2_jit_stack *sn_stack(void) { return pcre2_jit_stack_create(32 * 1024, 512 * 1024, NULL); }
//
// static void sn_free(pcre2_match_data *md, pcre2_match_context *a, pcre2_match_context *b, pcre2_jit_stack *s) {
//	pcre2_match_data_free(md);
//	pcre2_match_context_free(a);
//	pcre2_match_context_free(b);
//	pcre2_jit_stack_free(s);
// }
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Regexp is a compiled expression. It is immutable and workers share it; its memory outside the Go heap
// goes when it does.
type Regexp struct {
	code   *C.pcre2_code
	groups int
	limits bool // ConfiguredLimits

	ready atomic.Bool // machine code was tried
	mu    sync.Mutex
}

// nonexistent is PCRE2's error for a reference to a group that is not there.
const nonexistent = C.PCRE2_ERROR_BAD_SUBPATTERN_REFERENCE

// Compile returns a compiled expression. The error tells the place in the expression.
func Compile(expr string, flags Flags) (*Regexp, error) {
	var options C.uint32_t
	for _, f := range [...]struct {
		flag   Flags
		option C.uint32_t
	}{
		{Caseless, C.PCRE2_CASELESS}, {Multiline, C.PCRE2_MULTILINE}, {DotAll, C.PCRE2_DOTALL}, {Extended, C.PCRE2_EXTENDED},
		{Anchored, C.PCRE2_ANCHORED}, {DollarEndOnly, C.PCRE2_DOLLAR_ENDONLY}, {Ungreedy, C.PCRE2_UNGREEDY}, {NoAutoCapture, C.PCRE2_NO_AUTO_CAPTURE},
	} {
		if flags&f.flag != 0 {
			options |= f.option
		}
	}
	b := append([]byte(expr), 0) // never empty, so that it has an address
	var code C.int
	var at C.size_t
	p := (*C.uchar)(unsafe.Pointer(&b[0]))
	re := C.sn_compile(p, C.size_t(len(expr)), options, &code, &at)
	if re == nil && code == nonexistent && flags&NoAutoCapture != 0 {
		re = C.sn_compile(p, C.size_t(len(expr)), options&^C.PCRE2_NO_AUTO_CAPTURE, &code, &at)
	}
	if re == nil {
		return nil, fmt.Errorf("at offset %d: %s", int(at), message(code))
	}
	r := &Regexp{code: re, groups: int(C.sn_groups(re)), limits: flags&ConfiguredLimits != 0}
	runtime.AddCleanup(r, func(re *C.pcre2_code) { C.sn_free_code(re) }, re)
	return r, nil
}

func message(code C.int) string {
	var b [256]byte
	n := int(C.sn_message(code, (*C.uchar)(unsafe.Pointer(&b[0])), C.size_t(len(b))))
	if n < 0 || n > len(b) {
		return fmt.Sprintf("error %d", int(code))
	}
	return string(b[:n])
}

// Groups returns the number of capturing groups.
func (r *Regexp) Groups() int { return r.groups }

// jit compiles to machine code. Others wait: an expression must not be used meanwhile. It may fail,
// where pages cannot be made executable; matching is slow then.
func (r *Regexp) jit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready.Load() {
		C.sn_jit(r.code)
		r.ready.Store(true)
	}
}

// Matcher holds what a match needs besides the expression. One goroutine owns it.
type Matcher struct {
	Errors uint64 // matches given up, mostly for their limits

	mem    cmem
	vector []C.size_t
	data   []byte // of the last match
	n      int    // groups of the last match
}

// cmem is a Matcher's memory outside the Go heap.
type cmem struct {
	md    *C.pcre2_match_data
	ctx   [2]*C.pcre2_match_context // with default and configured limits
	stack *C.pcre2_jit_stack
}

// NewMatcher returns a matcher; the limits are for expressions with ConfiguredLimits.
func NewMatcher(configured Limits) (*Matcher, error) {
	m := &Matcher{}
	c := &m.mem
	c.stack = C.sn_stack() // nil, where there is no JIT, is fine
	c.md = C.sn_data(maxGroups)
	for i, l := range [...]Limits{DefaultLimits, configured} {
		c.ctx[i] = C.sn_context(C.uint32_t(l.Match), C.uint32_t(l.Depth), c.stack)
	}
	if c.md == nil || c.ctx[0] == nil || c.ctx[1] == nil {
		m.Close()
		return nil, errors.New("pcre: out of memory")
	}
	m.vector = unsafe.Slice((*C.size_t)(C.sn_vector(c.md)), 2*maxGroups)
	return m, nil
}

// Close frees the matcher's memory.
func (m *Matcher) Close() {
	c := &m.mem
	C.sn_free(c.md, c.ctx[0], c.ctx[1], c.stack)
	*m = Matcher{Errors: m.Errors}
}

// Match looks for the expression in data from position start on; what is before start can still be
// looked back at. It returns where the match begins and ends.
func (r *Regexp) Match(data []byte, start int, m *Matcher) (from, to int, ok bool) {
	m.n = 0
	if uint(start) > uint(len(data)) || m.mem.md == nil {
		return 0, 0, false
	}
	if !r.ready.Load() {
		r.jit()
	}
	ctx := m.mem.ctx[0]
	if r.limits {
		ctx = m.mem.ctx[1]
	}
	n := int(C.sn_match(r.code, (*C.uchar)(unsafe.Pointer(unsafe.SliceData(data))), C.size_t(len(data)), C.size_t(start), m.mem.md, ctx))
	runtime.KeepAlive(r)
	if n < 0 {
		if n != C.PCRE2_ERROR_NOMATCH {
			m.Errors++
		}
		return 0, 0, false
	}
	if n == 0 { // more groups than the vector holds
		n = maxGroups
	}
	m.n, m.data = n, data
	from, to = int(m.vector[0]), int(m.vector[1])
	if uint(to) > uint(len(data)) || uint(from) > uint(to) { // \K in an assertion
		from = min(from, to, len(data))
		to = min(to, len(data))
	}
	return from, to, true
}

// Group returns what group n of the last match holds, the whole match for 0, and nil if it took no part.
// It is a part of the data that was matched.
func (m *Matcher) Group(n int) []byte {
	if uint(n) >= uint(m.n) {
		return nil
	}
	from, to := uint64(m.vector[2*n]), uint64(m.vector[2*n+1])
	if from > to || to > uint64(len(m.data)) {
		return nil
	}
	return m.data[from:to:to]
}
