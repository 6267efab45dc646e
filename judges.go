package sentinel

import (
	"sync"
	"sync/atomic"

	"sentinel/detect"
)

// judges are the rulesets that are running, and who uses them. Several engines share them where each has outputs of its own.
type judges struct {
	now atomic.Pointer[detect.Ruleset]

	mu    sync.Mutex
	using map[*detect.Ruleset]int // workers by ruleset
}

func newJudges() *judges { return &judges{using: map[*detect.Ruleset]int{}} }

// install makes a ruleset the running one.
func (j *judges) install(rs *detect.Ruleset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old := j.now.Swap(rs)
	if old != nil && j.using[old] == 0 {
		old.Close()
	}
}

// take lets a worker use the running ruleset until release. A ruleset that is not the running one and that nobody uses any more
// gives its memory back.
func (j *judges) take() *detect.Ruleset {
	j.mu.Lock()
	defer j.mu.Unlock()
	rs := j.now.Load()
	if rs != nil {
		j.using[rs]++
	}
	return rs
}

// release ends a worker's use of a ruleset.
func (j *judges) release(rs *detect.Ruleset) {
	if rs == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.using[rs]--; j.using[rs] > 0 {
		return
	}
	delete(j.using, rs)
	if j.now.Load() != rs {
		rs.Close()
	}
}

// wants reports whether some rule looks at what protocols compute only on demand.
func (j *judges) wants(what string) bool {
	rs := j.now.Load()
	return rs != nil && rs.Wants(what)
}

func (j *judges) close() {
	if rs := j.now.Load(); rs != nil {
		rs.Close()
	}
}
