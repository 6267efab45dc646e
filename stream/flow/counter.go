package flow

// Counter is a count that a Table keeps.
type Counter uint8

// The counters of a table, named as in Suricata's stats.
const (
	CountTotal Counter = iota
	CountActive
	CountTCP
	CountUDP
	CountICMPv4
	CountICMPv6
	CountTCPReuse
	CountMemcap
	CountElephant
	CountElephantTS
	CountElephantTC
	CountGetUsed
	CountGetUsedEval
	CountGetUsedEvalReject
	CountGetUsedFailed
	CountEndNew
	CountEndEstablished
	CountEndClosed
	CountEndLocalBypassed
	CountEndCaptureBypassed
	CountFlowsChecked
	CountFlowsNotimeout
	CountFlowsTimeout
	CountFlowsEvicted
	CountSpare
	CountEmergEntered
	CountEmergOver
	CountWorkerEvicted
	CountMemuse
	CounterCount
)

// CounterNames are the names of the counters in stats events.
var CounterNames = [CounterCount]string{
	CountTotal:              "flow.total",
	CountActive:             "flow.active",
	CountTCP:                "flow.tcp",
	CountUDP:                "flow.udp",
	CountICMPv4:             "flow.icmpv4",
	CountICMPv6:             "flow.icmpv6",
	CountTCPReuse:           "flow.tcp_reuse",
	CountMemcap:             "flow.memcap",
	CountElephant:           "flow.elephant",
	CountElephantTS:         "flow.elephant_toserver",
	CountElephantTC:         "flow.elephant_toclient",
	CountGetUsed:            "flow.get_used",
	CountGetUsedEval:        "flow.get_used_eval",
	CountGetUsedEvalReject:  "flow.get_used_eval_reject",
	CountGetUsedFailed:      "flow.get_used_failed",
	CountEndNew:             "flow.end.state.new",
	CountEndEstablished:     "flow.end.state.established",
	CountEndClosed:          "flow.end.state.closed",
	CountEndLocalBypassed:   "flow.end.state.local_bypassed",
	CountEndCaptureBypassed: "flow.end.state.capture_bypassed",
	CountFlowsChecked:       "flow.mgr.flows_checked",
	CountFlowsNotimeout:     "flow.mgr.flows_notimeout",
	CountFlowsTimeout:       "flow.mgr.flows_timeout",
	CountFlowsEvicted:       "flow.mgr.flows_evicted",
	CountSpare:              "flow.spare",
	CountEmergEntered:       "flow.emerg_mode_entered",
	CountEmergOver:          "flow.emerg_mode_over",
	CountWorkerEvicted:      "flow.wrk.flows_evicted",
	CountMemuse:             "flow.memuse",
}

// Counters are totals since the table was made; active, spare and memuse are the present values.
type Counters [CounterCount]uint64

// Counters returns the present counts.
func (t *Table) Counters() *Counters {
	t.count[CountActive] = uint64(t.active)
	t.count[CountSpare] = uint64(t.slab.Spare())
	t.count[CountMemuse] = uint64(t.budget.Used())
	return &t.count
}
