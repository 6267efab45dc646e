package sentinel

import (
	"sync"
	"sync/atomic"

	"sentinel/detect"
)

// judgement is the rulesets that are running at a time. It is immutable.
type judgement struct {
	base     *detect.Ruleset // of packets that no tenant has
	tenants  bool            // multi-tenancy is on
	byTenant map[uint32]*detect.Ruleset
	nothing  *detect.Ruleset // of tenants that are not there; nil without multi-tenancy
	choose   chooser
}

// all goes through the rulesets.
func (j *judgement) all(yield func(*detect.Ruleset)) {
	yield(j.base)
	for _, rs := range j.byTenant {
		yield(rs)
	}
}

func (j *judgement) has(rs *detect.Ruleset) (found bool) {
	if j != nil {
		j.all(func(x *detect.Ruleset) { found = found || x == rs })
	}
	return found
}

// judges are the rulesets that are running, and who uses them. Several engines share them where each has outputs of its own.
type judges struct {
	now atomic.Pointer[judgement]

	mu    sync.Mutex
	using map[*detect.Ruleset]int // workers by ruleset
	ended bool                    // nothing is judged any more
}

func newJudges() *judges { return &judges{using: map[*detect.Ruleset]int{}} }

// install lets change make the next judgement of a copy of the present one. Rulesets that nobody uses any more give their memory
// back.
func (j *judges) install(change func(*judgement)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old := j.now.Load()
	next := &judgement{}
	if old != nil {
		*next = *old
		next.byTenant = make(map[uint32]*detect.Ruleset, len(old.byTenant))
		for id, rs := range old.byTenant {
			next.byTenant[id] = rs
		}
	} else {
		next.byTenant = map[uint32]*detect.Ruleset{}
	}
	change(next)
	if j.ended { // a reload that came too late
		next.all(func(rs *detect.Ruleset) {
			if rs != nil && !old.has(rs) {
				rs.Close()
			}
		})
		return
	}
	j.now.Store(next)
	if old != nil {
		old.all(func(rs *detect.Ruleset) {
			if rs != nil && j.using[rs] == 0 && !next.has(rs) {
				rs.Close()
			}
		})
	}
}

// take lets a worker use the running rulesets until release; nil = there are none. A ruleset that is not running and that nobody
// uses any more gives its memory back.
func (j *judges) take() *judgement {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now.Load()
	if now == nil || now.base == nil {
		return nil
	}
	now.all(func(rs *detect.Ruleset) { j.using[rs]++ })
	return now
}

// release ends a worker's use of rulesets.
func (j *judges) release(x *judgement) {
	if x == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now.Load()
	x.all(func(rs *detect.Ruleset) {
		if j.using[rs]--; j.using[rs] > 0 {
			return
		}
		delete(j.using, rs)
		if !now.has(rs) {
			rs.Close()
		}
	})
}

// settled reports whether all workers use the running rulesets.
func (j *judges) settled() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now.Load()
	for rs := range j.using {
		if !now.has(rs) {
			return false
		}
	}
	return true
}

// wants reports whether some rule looks at what protocols compute only on demand.
func (j *judges) wants(what string) (yes bool) {
	if now := j.now.Load(); now != nil {
		now.all(func(rs *detect.Ruleset) { yes = yes || rs != nil && rs.Wants(what) })
	}
	return yes
}

// close gives up the running rulesets. Preconditions: no worker uses them.
func (j *judges) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	if now := j.now.Load(); now != nil {
		now.all(func(rs *detect.Ruleset) {
			if rs != nil {
				rs.Close()
			}
		})
	}
}
