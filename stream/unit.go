package stream

import (
	"sentinel/decode"
	"sentinel/stream/app"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// UnitFlags say what the stream engine knows of a packet.
type UnitFlags uint32

// The marks of a Unit.
const (
	Established      UnitFlags = 1 << iota // the flow is established, in the sense of flow:established
	InStream                               // the payload went into the TCP stream: stream rules judge it there
	Pseudo                                 // made by the engine: no payload, no header rules
	EndOfFlow                              // a pseudo packet: parsers got EOF, everything is inspected to its end
	NoPacketInspect                        // no rule is run on it
	NoPayloadInspect                       // rules that look into payload are not run
	DetectFlush                            // a pseudo packet before a protocol change
	ProtoJustKnown                         // the application protocol was found with this packet
	BadStream                              // TCP tracking refused it (stream.drop-invalid, inline)
	FirstInDir                             // the first packet of its direction
)

// Action is what becomes of a packet and its flow. It only rises while a packet is judged.
type Action uint16

// The actions of a Unit.
const (
	DropPacket Action = 1 << iota
	DropFlow
	PassPacket // no more rules on this packet; alerts of lower order are dropped
	PassFlow
	RejectSrc // send RST or ICMP unreachable to the source
	RejectDst
	BypassFlow
	Alerted
)

// DropReason says who dropped a packet, for EVE's drop.reason.
type DropReason uint8

// The reasons, with their names in EVE.
const (
	NotDropped DropReason = iota
	DropDecodeError
	DropDefragError
	DropDefragMemcap
	DropFlowMemcap
	DropFlowDrop
	DropAppError
	DropStreamError
	DropStreamMemcap
	DropStreamMidstream
	DropStreamReassembly
	DropStreamUrgent
	DropRules
	DropThreshold
	DropNFQ
	DropDefault // exception policy of the master switch
	DropStreamPreHook
	DropInnerPacket
	DropReasonCount
)

var dropNames = [DropReasonCount]string{"", "decode error", "defrag error", "defrag memcap", "flow memcap", "flow drop",
	"applayer error", "stream error", "stream memcap", "stream midstream", "stream reassembly", "stream urgent",
	"rules", "threshold detection_filter", "nfq error", "default packet policy", "pre stream hook", "tunnel packet drop"}

func (r DropReason) String() string { return dropNames[r] }

// AppEvent is something odd in how an application protocol was found; rules name it with app-layer-event.
type AppEvent uint8

// The events of protocol detection, as bits.
const (
	AppMismatchBothDirections AppEvent = 1 << iota
	AppWrongDirectionFirstData
	AppDetectOneDirection
	AppDetectionSkipped
	AppNoTLSAfterStartTLS
	AppUnexpectedProtocol
	AppEventCount = 6
)

// AppEventNames are the names of the events in rules and in EVE, by bit.
var AppEventNames = [AppEventCount]string{"applayer_mismatch_protocol_both_directions", "applayer_wrong_direction_first_data",
	"applayer_detect_protocol_only_one_direction", "applayer_proto_detection_skipped", "applayer_no_tls_after_starttls",
	"applayer_unexpected_protocol"}

// Unit is one packet, with what the stream engine found of it, on its way through detection and output. It belongs to the
// worker and is valid until Engine.Done.
type Unit struct {
	Packet *decode.Packet // never nil; pseudo packets have decode.Pseudo set
	Flow   *flow.Flow     // nil for packets without a flow
	Dir    flow.Dir
	Flags  UnitFlags
	Now    int64  // nanoseconds, the worker's time
	Count  uint64 // number of the frame in its file, from 1 (pcap_cnt); 0 for pseudo packets
	App    *State // application state of the flow; nil = none
	Action Action
	Reason DropReason
	// AppEvents is set by protocol detection when it ends with this packet.
	AppEvents AppEvent

	engine *Engine
}

// Has reports whether one of the marks is set.
func (u *Unit) Has(f UnitFlags) bool { return u.Flags&f != 0 }

// Drop marks the packet as dropped; the first reason stays.
func (u *Unit) Drop(a Action, why DropReason) {
	if u.Action&(DropPacket|DropFlow) == 0 {
		u.Reason = why
	}
	u.Action |= a
}

// Raw returns the part of the reassembled TCP stream in the packet's direction that rules on the raw stream look at now,
// and its offset in the stream. ok is false when nothing is due. The same slice comes back until Engine.Done. Lent until then.
func (u *Unit) Raw() (data []byte, offset uint64, ok bool) { return u.engine.raw(u) }

// Session is the TCP session of the flow; nil without one.
func (u *Unit) Session() *tcp.Session { return u.engine.session(u) }

// State is the application layer of one flow.
type State struct {
	Proto  *app.Protocol
	ID     app.ProtoID
	Parser app.Parser
	Events app.EventSet // events of the flow that belong to no transaction

	index  uint32
	minTx  uint64 // all transactions below are freed
	fileID uint32 // number of the next file
	eof    [2]bool
	failed bool
	txSeen uint64 // highest id counted
}

// Next returns the first live transaction with an id above after. Begin with 0.
func (s *State) Next(after uint64) (app.Transaction, bool) {
	if after < s.minTx {
		after = s.minTx
	}
	return s.Parser.Next(after)
}

// Complete is the progress value that means completion in a direction.
func (s *State) Complete(d app.Dir) uint8 {
	if n := len(s.Proto.States[d]); n > 0 {
		return uint8(n - 1)
	}
	return 1
}

// Progress is how far a transaction is in a direction; a one-way transaction is complete in the other.
func (s *State) Progress(tx *app.Tx, d app.Dir) uint8 {
	if tx.OneWay && tx.Way != d {
		return s.Complete(d)
	}
	return tx.Progress[d]
}

// Hooks let detection and output free what they keep by flow and transaction.
type Hooks struct {
	TxFree   func(u *flow.Flow, tx *app.Tx) // before a transaction is given back to its parser
	FlowFree func(f *flow.Flow)             // after the flow record was written
}
