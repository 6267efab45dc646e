package tcp

import (
	"sentinel/decode"
	"sentinel/stream/flow"
)

// App takes the data of the streams. The stream engine implements it. Its methods may call the Tracker's methods for the
// same flow: Offer, Swap, DisableApp, StopReassembly, SetDepth, TriggerRaw and those that only read.
type App interface {
	// Data offers the contiguous bytes at stream offset off (0 = first byte behind the SYN). It returns how many it is done
	// with, at most len(data): the rest is offered again, together with more. need > 0 asks to wait until at least that
	// many bytes are there (counted from the first that was not consumed). The slice is lent for the call. At the end of
	// the stream Data is called once with eof set, maybe without data.
	Data(u *Context, d flow.Dir, data []byte, off uint64, eof bool) (consumed, need int)
	// Gap reports n bytes at off that never came. It returns false when it cannot go on behind them: then nothing more of
	// this direction is offered, and the gap is reported (and counted) again with each packet that would release data, as
	// in Suricata. DisableApp or DisableAppDir put an end to that.
	Gap(u *Context, d flow.Dir, off uint64, n uint64) bool
}

// Context is the packet that brought the data. Packet is nil or a pseudo packet at the end of a flow.
type Context struct {
	Packet *decode.Packet
	Flow   *flow.Flow
	Dir    flow.Dir // of the packet; data of the other direction may be handed up, as an ACK releases it
	End    bool     // the packet ends the flow: data that was not acknowledged goes up, too
	NoRoom bool     // pretend that there is no memory for the payload
	Now    int64
	User   any // the stream engine's own
}

// Target is a reason to apply an exception policy.
type Target uint8

// The targets, as bits. The caller applies the policy that is configured for each.
const (
	OnMidstream        Target = 1 << iota // stream.midstream-policy
	OnSessionMemcap                       // stream.memcap-policy
	OnReassemblyMemcap                    // stream.reassembly.memcap-policy
)

// DropReason says why a packet is to be dropped in inline mode.
type DropReason uint8

// The reasons, named in EVE's drop.reason.
const (
	DropNone   DropReason = iota
	DropError             // "stream error"
	DropUrgent            // "stream urgent"
)

// PacketFlags are what the tracker found out about one packet.
type PacketFlags uint16

// The findings.
const (
	Retransmission PacketFlags = 1 << iota
	SpuriousRetransmission
	StateUpdate
	KeepAlive
	KeepAliveAck
	WindowUpdate
	EventSet
	DupAck
	DSACK
	AckUnseenData
	SessionReuse
	ZeroWindowProbe
	ZeroWindowProbeAck
)

// Outcome is what became of one packet.
type Outcome struct {
	Flags       PacketFlags
	Exceptions  Target     // exception policies to apply
	Drop        DropReason // inline only
	Reuse       bool       // a new session begins on the same ports: nothing was done; Table.Replace, then try again
	Swapped     bool       // client and server of flow and session were exchanged; Context.Dir was changed
	Modified    bool       // the payload was changed in place: compute the checksum anew
	Established bool       // the session is (or was) established: rules on streams and messages run
	// FlowEstablished says that the packet counts as established for rules: the session was before it came, or it brings
	// data along with the last ACK of the handshake.
	FlowEstablished bool
	Added           bool    // the payload is in the stream: rules on the stream see it there
	NoPayload       bool    // rules must not look into the payload: the packet is dropped as invalid
	Bypass          bool    // nothing more of this session is of interest
	NoLog           bool    // not worth a place in a packet log: beyond the depth, or encrypted
	Updated         [2]bool // by Dir: data of the direction went up to the application layer
}
