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
	Established       UnitFlags = 1 << iota // the flow is established, in the sense of flow:established
	InStream                                // the payload went into the TCP stream: stream rules judge it there
	Pseudo                                  // made by the engine: no payload, no header rules
	EndOfFlow                               // a pseudo packet: parsers got EOF, everything is inspected to its end
	NoPacketInspect                         // no rule is run on it
	NoPayloadInspect                        // rules that look into payload are not run
	DetectFlush                             // a pseudo packet before a protocol change
	ProtoJustKnown                          // the application protocol was found with this packet
	BadStream                               // TCP tracking refused it (stream.drop-invalid, inline)
	FirstInDir                              // the first packet of its direction
	StreamEstablished                       // TCP: the session is established, or was
	Modified                                // inline: the payload was changed in place
	Tagged                                  // the tag keyword of a rule asks for the packet to be logged
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
	DropExceptionFlow // the flow was dropped by an exception policy
	DropAppError
	DropAppMemcap
	DropRules
	DropThreshold
	DropStreamError
	DropStreamMemcap
	DropStreamMidstream
	DropStreamReassembly
	DropStreamUrgent
	DropNFQ
	DropInnerPacket
	DropReasonCount
)

var dropNames = [DropReasonCount]string{"", "decode error", "defrag error", "defrag memcap", "flow memcap", "flow drop",
	"exception policy flow drop", "applayer error", "applayer memcap", "rules", "threshold detection_filter", "stream error",
	"stream memcap", "stream midstream", "stream reassembly", "stream urgent", "nfq error", "tunnel packet drop"}

func (r DropReason) String() string { return dropNames[r] }

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
	// LayerEvents is a set of LayerEvent bits.
	LayerEvents uint8

	// DropSource is the seconds for which the packet's source may be dropped before anybody looks at its packets: a threshold says
	// so. 0 = for as long as is usual, negative = it may not.
	DropSource int32
	// StoreFiles says that rules want files of the flow to be stored.
	StoreFiles bool
	// Bypassable says that nothing more of the TCP session is of interest.
	Bypassable bool

	// TCP is what tracking found out about the packet.
	TCP tcp.PacketFlags

	engine *Engine
	tcp    tcp.Context
	added  bool // the payload went into the stream with this packet
	looked bool // Raw was called
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

// LayerEvent marks an event of the application layer that no protocol owns, such as a protocol mismatch.
func (u *Unit) LayerEvent(e LayerEvent) { u.LayerEvents |= 1 << e }

// RawReady reports whether rules on the raw stream have something to look at in the packet's direction. It is cheap.
func (u *Unit) RawReady() bool {
	return u.tcp.Flow != nil && u.tcp.Flow.TCP != 0 && u.engine.tracker.RawReady(&u.tcp, u.Dir, u.added)
}

// Raw returns the part of the reassembled TCP stream in the packet's direction that rules on the raw stream look at now,
// and its offset in the stream. Where bytes are missing there are several chunks: RawNext returns the others. ok is false
// when nothing is due, or nothing more. Lent until the next call, or the end of the run.
func (u *Unit) Raw() (data []byte, offset uint64, ok bool) {
	if !u.RawReady() {
		return nil, 0, false
	}
	u.looked = true
	return u.engine.tracker.Raw(&u.tcp, u.Dir, true)
}

// RawNext returns the chunk behind the one that Raw or RawNext returned last.
func (u *Unit) RawNext() (data []byte, offset uint64, ok bool) {
	return u.engine.tracker.RawNext(&u.tcp, u.Dir)
}

// Tracker gives access to the stream's bytes, for output.
func (u *Unit) Tracker() *tcp.Tracker { return u.engine.tracker }

// Session is the TCP session of the flow; nil without one.
func (u *Unit) Session() *tcp.Session { return u.engine.session(u) }

// LayerEvent is an event of the application layer that no protocol owns. Rules name them with app-layer-event, EVE as
// anomalies of the layer proto_detect.
type LayerEvent uint8

// The events, with their names in rules and EVE.
const (
	MismatchBothDirections LayerEvent = iota
	WrongDirectionFirstData
	DetectOnlyOneDirection
	DetectionSkipped
	NoTLSAfterSTARTTLS
	UnexpectedProtocol
	LayerEventCount
)

var layerEventNames = [LayerEventCount]string{"applayer_mismatch_protocol_both_directions", "applayer_wrong_direction_first_data",
	"applayer_detect_protocol_only_one_direction", "applayer_proto_detection_skipped", "applayer_no_tls_after_starttls",
	"applayer_unexpected_protocol"}

func (e LayerEvent) String() string { return layerEventNames[e] }

// LayerEventByName finds an event of the application layer by its name.
func LayerEventByName(name string) (LayerEvent, bool) {
	for e, n := range layerEventNames {
		if n == name {
			return LayerEvent(e), true
		}
	}
	return 0, false
}

// Runner is what the engine runs on each packet, and tells what ends.
type Runner interface {
	// Run judges and logs a packet. Pseudo packets come the same way. The unit is valid until it returns.
	Run(u *Unit)
	// FlowEnd writes the flow's record. s is nil without an application layer.
	FlowEnd(f *flow.Flow, s *State, t *tcp.Session)
	// TxFree comes before a transaction is given back to its parser.
	TxFree(f *flow.Flow, tx *app.Tx)
	// FlowFree comes before the flow's record is freed, after FlowEnd.
	FlowFree(f *flow.Flow)
}
