//go:build cgo

package hyperscan

// #cgo noescape sn_run
// #cgo nocallback sn_run
// #cgo noescape sn_one
// #cgo nocallback sn_one
// #include <stdint.h>
// #include <stdlib.h>
// #include <hs.h>
//
// typedef struct {
//	const hs_database_t *db; // NULL: nothing to scan, or scanned
//	uint32_t from, len;      // in data
//	uint32_t first, hits;    // in ids
// } sn_job;
//
// typedef struct {
//	hs_scratch_t *scratch;
//	uint8_t *data;
//	sn_job *jobs;
//	uint32_t *ids;
//	uint32_t nids, cids; // used and available
// } sn_scanner;
//
// static int sn_hit(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *ctx) {
//	sn_scanner *s = ctx;
//	(void)from; (void)to; (void)flags;
//	if (s->nids == s->cids) {
//		// A pattern hits once a job, so that this is bounded by patterns times jobs.
//		uint32_t n = s->cids * 2;
//		uint32_t *p = n > s->cids && n <= (1u << 28) ? realloc(s->ids, (size_t)n * sizeof(*p)) : NULL;
//		if (p == NULL)
//			return 1;
//		s->ids = p;
//		s->cids = n;
//	}
//	s->ids[s->nids++] = id;
//	return 0;
// }
//
// static int sn_job_scan(sn_scanner *s, sn_job *j, const uint8_t *data, uint32_t len) {
//	int err;
//	j->first = s->nids;
//	err = hs_scan(j->db, (const char *)data, len, 0, s->scratch, sn_hit, s);
//	j->hits = s->nids - j->first;
//	return err;
// }
//
// static int sn_run(sn_scanner *s, uint32_t from, uint32_t to) {
//	int bad = HS_SUCCESS;
//	for (; from < to; from++) {
//		sn_job *j = &s->jobs[from];
//		int err;
//		if (j->db == NULL)
//			continue;
//		err = sn_job_scan(s, j, s->data + j->from, j->len);
//		if (err != HS_SUCCESS)
//			bad = err;
//	}
//	return bad;
// }
//
// static int sn_one(sn_scanner *s, uint32_t job, const hs_database_t *db, const uint8_t *data, uint32_t len) {
//	sn_job *j = &s->jobs[job];
//	int err;
//	j->db = db;
//	err = sn_job_scan(s, j, data, len);
//	j->db = NULL; // done: sn_run must not scan it
//	return err;
// }
//
// static sn_scanner *sn_new(uint32_t data, uint32_t jobs, uint32_t ids) {
//	sn_scanner *s = calloc(1, sizeof(*s));
//	if (s == NULL)
//		return NULL;
//	s->data = malloc(data);
//	s->jobs = calloc(jobs, sizeof(*s->jobs));
//	s->ids = malloc(ids * sizeof(*s->ids));
//	s->cids = ids;
//	if (s->data == NULL || s->jobs == NULL || s->ids == NULL) {
//		free(s->data); free(s->jobs); free(s->ids); free(s);
//		return NULL;
//	}
//	return s;
// }
//
// static int sn_more_jobs(sn_scanner *s, uint32_t jobs) {
//	sn_job *p = realloc(s->jobs, (size_t)jobs * sizeof(*p));
//	if (p == NULL)
//		return 0;
//	s->jobs = p;
//	return 1;
// }
//
// static void sn_free(sn_scanner *s) {
//	hs_free_scratch(s->scratch);
//	free(s->data); free(s->jobs); free(s->ids); free(s);
// }
import "C"

import (
	"errors"
	"unsafe"

	"sentinel/detect/mpm"
)

const (
	// maxBatch bounds the bytes of one call into C: a long call can lose its processor.
	maxBatch = 16 << 10
	// direct is the size from which a buffer is scanned where it lies: copying it costs more than a
	// call.
	direct = 4 << 10
)

// scanner gathers jobs outside the Go heap, because C must not find Go pointers in memory of its own.
type scanner struct {
	c       *C.sn_scanner
	jobs    []C.sn_job // c.jobs
	n       int        // queued since the last Run
	scanned int        // of them scanned already
	used    int        // bytes of c.data
	fresh   bool       // results are of an earlier Run: the next Add starts over
	room    []bool     // by serial: the scratch fits this set
	err     error
}

var _ mpm.Scanner = (*scanner)(nil)

// NewScanner returns a scanner with room for the jobs of a packet; it grows.
func (*engine) NewScanner() (mpm.Scanner, error) {
	const jobs, ids = 64, 1024
	c := C.sn_new(maxBatch, jobs, ids)
	if c == nil {
		return nil, errors.New("hyperscan: out of memory")
	}
	return &scanner{c: c, jobs: unsafe.Slice(c.jobs, jobs)}, nil
}

func (s *scanner) Adopt(m mpm.Set) error {
	x, ok := m.(*set)
	if !ok || x == nil || x.db == nil {
		return errors.New("hyperscan: the set is closed or another engine's")
	}
	if s.c == nil {
		return errors.New("hyperscan: the scanner is closed")
	}
	if err := C.hs_alloc_scratch(x.db, &s.c.scratch); err != C.HS_SUCCESS {
		return failure("cannot make room for a set", err)
	}
	for int(x.serial) >= len(s.room) {
		s.room = append(s.room, false)
	}
	s.room[x.serial] = true
	return nil
}

func (s *scanner) Add(m mpm.Set, data []byte) int {
	if s.c == nil {
		return -1
	}
	if s.fresh {
		s.n, s.scanned, s.used, s.fresh, s.err = 0, 0, 0, false, nil
		s.c.nids = 0
	}
	n := s.n
	if n == len(s.jobs) && !s.grow() {
		return -1
	}
	j := &s.jobs[n]
	*j = C.sn_job{}
	s.n++
	x, ok := m.(*set)
	if !ok || x == nil || x.db == nil || len(data) == 0 {
		if m != nil && !ok {
			s.err = errors.New("hyperscan: a set of another engine")
		}
		return n
	}
	if int(x.serial) >= len(s.room) || !s.room[x.serial] {
		if err := s.Adopt(x); err != nil {
			s.err = err
			return n
		}
	}
	if len(data) >= direct {
		if uint64(len(data)) > 1<<31 {
			s.err = errors.New("hyperscan: a buffer of more than 2 GiB")
			return n
		}
		if err := C.sn_one(s.c, C.uint32_t(n), x.db, (*C.uint8_t)(unsafe.Pointer(&data[0])), C.uint32_t(len(data))); err != C.HS_SUCCESS {
			s.err = failure("cannot scan", err)
		}
		return n
	}
	if s.used+len(data) > maxBatch {
		s.n-- // all before this one
		s.flush()
		s.n++
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(s.c.data)), maxBatch)[s.used:], data)
	j.db, j.from, j.len = x.db, C.uint32_t(s.used), C.uint32_t(len(data))
	s.used += len(data)
	return n
}

// flush scans the jobs that wait.
func (s *scanner) flush() {
	if s.used > 0 {
		if err := C.sn_run(s.c, C.uint32_t(s.scanned), C.uint32_t(s.n)); err != C.HS_SUCCESS {
			s.err = failure("cannot scan", err)
		}
		s.used = 0
	}
	s.scanned = s.n
}

func (s *scanner) grow() bool {
	n := 2 * len(s.jobs)
	if n > mpm.MaxJobs || C.sn_more_jobs(s.c, C.uint32_t(n)) == 0 {
		return false
	}
	s.jobs = unsafe.Slice(s.c.jobs, n)
	return true
}

func (s *scanner) Run() error {
	if s.c == nil {
		return errors.New("hyperscan: the scanner is closed")
	}
	if s.fresh { // nothing was added
		s.n, s.scanned, s.err = 0, 0, nil
	}
	s.flush()
	s.fresh = true
	return s.err
}

func (s *scanner) Hits(job int) []uint32 {
	if uint(job) >= uint(s.scanned) {
		return nil
	}
	j := &s.jobs[job]
	if j.hits == 0 {
		return nil
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(s.c.ids)), int(s.c.nids))[j.first : j.first+j.hits : j.first+j.hits]
}

func (s *scanner) Close() error {
	if s.c != nil {
		C.sn_free(s.c)
		s.c, s.jobs, s.n, s.scanned = nil, nil, 0, 0
	}
	return nil
}
