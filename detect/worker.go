package detect

import (
	"sentinel/detect/chain"
	"sentinel/detect/mpm"
	"sentinel/detect/pcre"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// Shared is what all workers and all rulesets share: thresholds, and bits of hosts and address pairs.
type Shared struct {
	thresholds *thresholdStore
	bits       *bitStore
}

// NewShared returns empty stores. memcap bounds the threshold store, in bytes; 0 means 16 MiB.
func NewShared(memcap uint64) *Shared {
	return &Shared{thresholds: newThresholdStore(memcap), bits: newBitStore(memcap)}
}

// Apart returns stores for another run of packets, which has thresholds of its own and the same bits.
func (s *Shared) Apart(memcap uint64) *Shared {
	return &Shared{thresholds: newThresholdStore(memcap), bits: s.bits}
}

// Counter is a counter of a Worker.
type Counter uint8

// The counters, named as in stats events by CounterNames.
const (
	CountAlerts Counter = iota
	CountOverflow
	CountSuppressed
	CountMpmList   // candidates that prefilters found
	CountMatchList // rules that were tried on packets
	CountCounters
)

// CounterNames are the counters' names in stats events.
var CounterNames = [CountCounters]string{"detect.alert", "detect.alert_queue_overflow", "detect.alerts_suppressed", "detect.mpm_list", "detect.match_list"}

// Worker judges the packets of one goroutine.
type Worker struct {
	Counters [CountCounters]uint64

	rs     *Ruleset
	shared *Shared
	ctx    Ctx
	scan   mpm.Scanner
	chain  *chain.Ctx
	// replacing is what a rule that matches writes over the payload.
	replacing []chain.Replacement
	pcre      *pcre.Matcher
	raw       func(u *stream.Unit) ([]byte, uint64, bool)
	updated   func(s *stream.State, d flow.Dir) bool

	classes    []*class // [0] is of packets that no rule looks at
	classIndex map[classKey]uint32
	epoch      uint32

	flows     []flowState // by Flow.Detect
	freeFlows []uint32
	txs       []txState // by Tx.Detect
	freeTxs   []uint32

	cand        []uint32 // numbers of candidate rules
	seen        []uint64 // bit set: in cand
	found       []uint32 // rules on transactions found by payload patterns
	jobs        []job
	frameJobs   []job // of frames: run is the index of frameRuns
	frameRuns   []frameRun
	chunks      []chunk
	cached      []cached // by data
	stamp       uint32
	pktStamp    uint32
	pktCache    []pktCached
	txCand      []txCandidate
	txRuns      []txRun
	bodies      []*file.Stream // whose windows were handed out
	scratch     app.Scratch
	values      []uint64 // of the number under inspection
	work        []byte   // transforms
	pktVars     []PacketVar
	contexts    []alertContext
	alertVars   []PacketVar      // of the alerts
	captured    []chain.Captured // by the rule under judgement
	cut         [2]bool          // by direction: the stream's depth is reached
	hostTags    map[tagHost][]liveTag
	streamKnown []streamVerdict
	queue       []queued
	alerts      []Alert

	streamData []byte
	streamOff  uint64
	hasStream  bool
	moreStream []chunk // pieces of the stream behind gaps
	rawBuf     []byte
	dropper    Alert // the first match of the packet that drops; no Rule = none
}

// job is one buffer in the scanner's batch.
type job struct {
	id   int
	hits [][]uint32
	run  int32 // index of the transaction; -1 = payload
}

// NewWorker returns a Worker that judges by the ruleset.
func (rs *Ruleset) NewWorker(shared *Shared) *Worker {
	w := &Worker{shared: shared, flows: make([]flowState, 1), txs: make([]txState, 1), raw: (*stream.Unit).Raw, updated: (*stream.State).Updated}
	w.ctx.Worker = w
	w.Adopt(rs)
	return w
}

// Adopt moves the worker over to another ruleset, at a packet boundary. Flows keep their bits; what they remember of the
// rules goes when they are next judged.
func (w *Worker) Adopt(rs *Ruleset) {
	w.rs = rs
	w.seen = make([]uint64, (len(rs.rules)+63)/64)
	w.cached = make([]cached, len(rs.data))
	w.pktCache = make([]pktCached, len(rs.pktData))
	w.stamp, w.pktStamp = 0, 0
	w.cand, w.found, w.queue = w.cand[:0], w.found[:0], w.queue[:0]
	w.resetClasses()
	if w.pcre != nil {
		w.pcre.Close()
	}
	// Without a matcher expressions match nothing, which is all that is left when there is no memory.
	w.pcre, _ = pcre.NewMatcher(pcre.Limits{Match: uint32(rs.cfg.PCREMatchLimit), Depth: uint32(rs.cfg.PCRERecursionLimit)})
	w.chain = chain.NewCtx(w.pcre)
	w.chain.Limit = rs.cfg.RecursionLimit
	if w.scan != nil {
		w.scan.Close()
		w.scan = nil
	}
	if rs.cfg.Engine != nil {
		if s, err := rs.cfg.Engine.NewScanner(); err == nil {
			w.scan = s
			for _, set := range rs.sets {
				if set != nil {
					s.Adopt(set)
				}
			}
		}
	}
}

// Ruleset is what the worker judges by.
func (w *Worker) Ruleset() *Ruleset { return w.rs }

// Recover makes the worker usable again after a panic in Inspect.
func (w *Worker) Recover() {
	clear(w.seen)
	w.cand, w.found, w.queue, w.jobs, w.txRuns, w.bodies = w.cand[:0], w.found[:0], w.queue[:0], w.jobs[:0], w.txRuns[:0], w.bodies[:0]
	w.frameJobs, w.frameRuns = w.frameJobs[:0], w.frameRuns[:0]
	w.scratch.Reset()
	w.ctx = Ctx{Worker: w}
	w.Adopt(w.rs)
}

// Close frees what the worker holds outside of the Go heap.
func (w *Worker) Close() {
	if w.scan != nil {
		w.scan.Close()
		w.scan = nil
	}
	if w.pcre != nil {
		w.pcre.Close()
		w.pcre = nil
	}
}

// flowState is what detection keeps of a flow.
type flowState struct {
	class    [2]uint32
	classApp [2]flow.ProtoID
	epoch    [2]uint32
	vars     flowVars
	limits   []flowLimit
	tags     []liveTag
	logLess  uint32 // what is not logged of the flow and its transactions
}

// LogLess switches logging off for the flow's transactions (1) or the flow itself (2).
func (w *Worker) LogLess(f *flow.Flow, bits uint32) { w.state(f).logLess |= bits }

// LogFlags is what LogLess switched off.
func (w *Worker) LogFlags(f *flow.Flow) uint32 {
	if f.Detect == 0 {
		return 0
	}
	return w.flows[f.Detect].logLess
}

// state returns what is kept of the flow, and makes it when it is new.
func (w *Worker) state(f *flow.Flow) *flowState {
	if f.Detect == 0 {
		if n := len(w.freeFlows); n > 0 {
			f.Detect = w.freeFlows[n-1]
			w.freeFlows = w.freeFlows[:n-1]
		} else {
			f.Detect = uint32(len(w.flows))
			w.flows = append(w.flows, flowState{})
		}
	}
	return &w.flows[f.Detect]
}

// FlowFree gives up what is kept of a flow.
func (w *Worker) FlowFree(f *flow.Flow) {
	i := f.Detect
	if i == 0 || int(i) >= len(w.flows) {
		return
	}
	s := &w.flows[i]
	s.vars.reset()
	*s = flowState{vars: s.vars, limits: s.limits[:0], tags: s.tags[:0]}
	w.freeFlows = append(w.freeFlows, i)
	f.Detect = 0
}

// TxFree gives up what is kept of a transaction.
func (w *Worker) TxFree(_ *flow.Flow, tx *app.Tx) {
	i := tx.Detect
	if i == 0 || int(i) >= len(w.txs) {
		return
	}
	s := &w.txs[i]
	s.items[0], s.items[1] = s.items[0][:0], s.items[1][:0]
	s.files, s.guessed = [2]int{}, 0
	w.freeTxs = append(w.freeTxs, i)
	tx.Detect = 0
}

// txState is what detection keeps of a transaction: the rules that were begun, by direction.
type txState struct {
	items   [2][]txItem
	files   [2]int // files seen so far
	guessed int    // alerts of packet rules attached to it
}

// txItem is a rule that was begun on a transaction.
type txItem struct {
	num   uint32
	flags uint32 // bits of engines that matched, and the marks below
}

const (
	txDone   = 1 << 31 // the rule matched
	txNever  = 1 << 30 // it cannot match any more
	txFiles  = 1 << 29 // it was judged by files: a new one begins anew
	maxItems = 4096    // per transaction and direction
)

// txStateOf returns what is kept of a transaction, and makes it when it is new.
func (w *Worker) txStateOf(tx *app.Tx) *txState {
	if tx.Detect == 0 {
		if n := len(w.freeTxs); n > 0 {
			tx.Detect = w.freeTxs[n-1]
			w.freeTxs = w.freeTxs[:n-1]
		} else {
			tx.Detect = uint32(len(w.txs))
			w.txs = append(w.txs, txState{})
		}
	}
	return &w.txs[tx.Detect]
}
