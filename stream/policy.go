package stream

import (
	"fmt"

	"sentinel/stream/flow"
)

// Policy is what happens when an exception occurs, such as memory running out (Suricata user guide, Exception Policies).
type Policy uint8

// The policies.
const (
	Ignore Policy = iota
	DropThisPacket
	DropWholeFlow
	PassThisPacket
	PassWholeFlow
	Bypass
	Reject
	RejectBoth
	Auto // decided at start: drop-flow (inline), else ignore
)

var policyNames = []string{"ignore", "drop_packet", "drop_flow", "pass_packet", "pass_flow", "bypass", "reject", "reject_both", "auto"}

// String is the policy's name in EVE and counters.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy reads a policy from the configuration.
func ParsePolicy(s string) (Policy, error) {
	switch s {
	case "", "ignore", "no", "false":
		return Ignore, nil
	case "drop-packet":
		return DropThisPacket, nil
	case "drop-flow":
		return DropWholeFlow, nil
	case "pass-packet":
		return PassThisPacket, nil
	case "pass-flow":
		return PassWholeFlow, nil
	case "bypass":
		return Bypass, nil
	case "reject":
		return Reject, nil
	case "rejectboth":
		return RejectBoth, nil
	case "auto":
		return Auto, nil
	}
	return Ignore, fmt.Errorf("unknown exception policy %q: use ignore, drop-packet, drop-flow, pass-packet, pass-flow, bypass, reject, rejectboth or auto", s)
}

// Target is where an exception occurred.
type Target uint8

// The targets, in the order of the reference's exception_policy records.
const (
	TargetNone Target = iota
	TargetDefragMemcap
	TargetSessionMemcap
	TargetReassemblyMemcap
	TargetFlowMemcap
	TargetMidstream
	TargetAppError
	TargetCount
)

// TargetNames name the targets in EVE and counters.
var TargetNames = [TargetCount]string{"", "defrag_memcap", "stream_memcap", "stream_reassembly_memcap", "flow_memcap",
	"stream_midstream", "app_layer_error"}

// Counted reports whether occurrences of the policy at a target are counted: those that the mode makes possible. Nothing is
// counted where the target's policy is set to ignore.
func (p Policy) Counted(t Target, ips, midstream bool) bool {
	switch p {
	case Ignore, Auto:
		return false
	case DropThisPacket, DropWholeFlow:
		if !ips || p == DropWholeFlow && !t.flows() {
			return false
		}
		return t != TargetMidstream || p == DropWholeFlow && !midstream
	case PassThisPacket:
		return t != TargetMidstream
	case PassWholeFlow:
		return t.flows()
	case Bypass:
		return t != TargetMidstream || !midstream
	}
	return t != TargetMidstream || !midstream
}

// flows reports whether policies on whole flows make sense for the target: where there is a flow.
func (t Target) flows() bool { return t != TargetDefragMemcap && t != TargetFlowMemcap }

// ForTarget is the policy that a target gets when p was asked for: where there is no flow, a policy on flows becomes the one
// on packets.
func (p Policy) ForTarget(t Target) Policy {
	if t.flows() {
		return p
	}
	switch p {
	case DropWholeFlow:
		return DropThisPacket
	case PassWholeFlow:
		return PassThisPacket
	case Bypass:
		return Ignore
	}
	return p
}

// apply carries out a policy on a packet and its flow, and counts it.
func (e *Engine) apply(u *Unit, p Policy, why DropReason, t Target) {
	if u.Flow != nil {
		u.Flow.Exception |= 1 << t // flow records tell of those that were ignored, too
	}
	e.Exceptions[t][p]++
	switch p {
	case Reject, RejectBoth:
		u.Drop(DropPacket|RejectSrc, why)
		if p == RejectBoth {
			u.Action |= RejectDst
		}
		if !e.cfg.IPS {
			return
		}
		fallthrough
	case DropWholeFlow:
		if u.Flow != nil {
			u.Drop(DropPacket|DropFlow, why)
			u.Flow.Flags |= flow.ActionDrop | flow.ExceptionDrop | flow.NoPayloadInspect
			e.tracker.DisableApp(u.Flow)
		} else {
			u.Drop(DropPacket, why)
		}
		u.Flags |= NoPacketInspect | NoPayloadInspect
	case DropThisPacket:
		u.Drop(DropPacket, why)
		u.Flags |= NoPacketInspect | NoPayloadInspect
	case Bypass:
		if u.Flow != nil {
			e.bypassFlow(u.Flow)
		}
		fallthrough
	case PassWholeFlow:
		if u.Flow != nil {
			u.Flow.Flags |= flow.ActionPass
		}
		fallthrough
	case PassThisPacket:
		u.Flags |= NoPacketInspect | NoPayloadInspect
	}
}
