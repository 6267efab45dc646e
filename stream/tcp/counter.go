package tcp

// Counter is a count that a Tracker keeps.
type Counter uint8

// The counters, named as in Suricata's stats.
const (
	CountSessions Counter = iota
	CountActive
	CountSessionMemcap
	CountSessionFromCache
	CountSessionFromPool
	CountPseudo
	CountMidstream
	CountAckUnseen
	CountSegmentMemcap
	CountSegmentFromCache
	CountSegmentFromPool
	CountDepth
	CountGap
	CountOverlap
	CountOverlapDiff
	CountInsertFail
	CountInsertOverlapFail
	CountUrgentOOB
	CountSYN
	CountSYNACK
	CountRST
	CountMemuse
	CountReassemblyMemuse
	CountEndNone
	CountEndSynSent
	CountEndSynRecv
	CountEndEstablished
	CountEndFinWait1
	CountEndFinWait2
	CountEndTimeWait
	CountEndLastAck
	CountEndCloseWait
	CountEndClosing
	CountEndClosed
	CountEndLiberal
	CounterCount
)

// CounterNames are the names of the counters in stats events. tcp.invalid_checksum is the caller's.
var CounterNames = [CounterCount]string{
	CountSessions:          "tcp.sessions",
	CountActive:            "tcp.active_sessions",
	CountSessionMemcap:     "tcp.ssn_memcap_drop",
	CountSessionFromCache:  "tcp.ssn_from_cache",
	CountSessionFromPool:   "tcp.ssn_from_pool",
	CountPseudo:            "tcp.pseudo",
	CountMidstream:         "tcp.midstream_pickups",
	CountAckUnseen:         "tcp.ack_unseen_data",
	CountSegmentMemcap:     "tcp.segment_memcap_drop",
	CountSegmentFromCache:  "tcp.segment_from_cache",
	CountSegmentFromPool:   "tcp.segment_from_pool",
	CountDepth:             "tcp.stream_depth_reached",
	CountGap:               "tcp.reassembly_gap",
	CountOverlap:           "tcp.overlap",
	CountOverlapDiff:       "tcp.overlap_diff_data",
	CountInsertFail:        "tcp.insert_data_normal_fail",
	CountInsertOverlapFail: "tcp.insert_data_overlap_fail",
	CountUrgentOOB:         "tcp.urgent_oob_data",
	CountSYN:               "tcp.syn",
	CountSYNACK:            "tcp.synack",
	CountRST:               "tcp.rst",
	CountMemuse:            "tcp.memuse",
	CountReassemblyMemuse:  "tcp.reassembly_memuse",
	CountEndNone:           "flow.end.tcp_state.none",
	CountEndSynSent:        "flow.end.tcp_state.syn_sent",
	CountEndSynRecv:        "flow.end.tcp_state.syn_recv",
	CountEndEstablished:    "flow.end.tcp_state.established",
	CountEndFinWait1:       "flow.end.tcp_state.fin_wait1",
	CountEndFinWait2:       "flow.end.tcp_state.fin_wait2",
	CountEndTimeWait:       "flow.end.tcp_state.time_wait",
	CountEndLastAck:        "flow.end.tcp_state.last_ack",
	CountEndCloseWait:      "flow.end.tcp_state.close_wait",
	CountEndClosing:        "flow.end.tcp_state.closing",
	CountEndClosed:         "flow.end.tcp_state.closed",
	CountEndLiberal:        "flow.end.tcp_liberal",
}

var endCounter = [stateCount]Counter{None: CountEndNone, SynSent: CountEndSynSent, SynRecv: CountEndSynRecv,
	Established: CountEndEstablished, FinWait1: CountEndFinWait1, FinWait2: CountEndFinWait2, TimeWait: CountEndTimeWait,
	LastAck: CountEndLastAck, CloseWait: CountEndCloseWait, Closing: CountEndClosing, Closed: CountEndClosed}

// Counters are totals since the tracker was made; the memuse ones and active_sessions are the present values. With a
// shared Budget, memuse is that of all who share it.
type Counters [CounterCount]uint64

// Counters returns the present counts.
func (t *Tracker) Counters() *Counters {
	t.count[CountActive] = uint64(t.sessions.InUse())
	t.count[CountMemuse] = uint64(t.cfg.Sessions.Used())
	t.count[CountReassemblyMemuse] = uint64(t.cfg.Reassembly.Used())
	return &t.count
}
