package flow

import "sentinel/decode"

// Dir is a direction within a flow.
type Dir uint8

// The directions.
const (
	ToServer Dir = 0
	ToClient Dir = 1
)

// Other returns the opposite direction.
func (d Dir) Other() Dir { return d ^ 1 }

func (d Dir) String() string {
	if d == ToServer {
		return "to_server"
	}
	return "to_client"
}

// ProtoID is an application protocol: an index into the protocol list that the engine was built with.
type ProtoID uint8

// The protocol ids that do not depend on the list.
const (
	ProtoUnknown ProtoID = 0 // not yet known
	ProtoFailed  ProtoID = 1 // detection has given up
	ProtoFirst   ProtoID = 2 // the first protocol of the list
)

// State is the life of a flow.
type State uint8

// The states of a flow, named in EVE as new, established, closed and bypassed.
const (
	New State = iota
	Established
	Closed
	LocalBypassed
	CaptureBypassed
	StateCount
)

// Reason says why a flow ended.
type Reason uint8

// The reasons of a flow's end.
const (
	ReasonNone Reason = iota
	ReasonTimeout
	ReasonForced   // evicted in emergency, or a new session on the same 5-tuple
	ReasonShutdown // the engine stopped
	ReasonTCPReuse
)

// Flags are the marks of a Flow.
type Flags uint32

// The marks of a flow. Those ending in TS and TC come in pairs: use [Flags.In] style shifts (TC = TS << 1).
const (
	SeenTS           Flags = 1 << iota // a packet to the server was seen
	SeenTC                             // a packet to the client was seen
	ProtoDoneTS                        // protocol detection is over
	ProtoDoneTC                        //
	ProtoNewsTS                        // detection has come to an end, and the next packet of the direction tells rules
	ProtoNewsTC                        //
	GroupsDoneTS                       // rule groups chosen; cleared by reload, swap and protocol change
	GroupsDoneTC                       //
	NoPacketInspect                    // rules are not run on packets any more
	NoPayloadInspect                   // rules do not look into payloads any more
	ActionDrop                         // every packet is dropped
	ActionPass                         // no rule is run any more
	HasAlerts                          // some rule alerted
	HasDrop                            // a drop was logged for it
	Reversed                           // client and server were swapped after creation
	Midstream                          // TCP picked up without its handshake
	Async                              // only one direction is seen
	ProtoChange                        // a parser asked for another protocol
	Expected                           // an expectation created it
	AppFailed                          // the parser gave up: payload of both directions is opaque
	Quarantined                        // a bug was caught here
	Elephant                           // over the rate of flow.rate-tracking
	EndSent                            // end-of-flow packets were run
	FileNoStoreTS
	FileNoStoreTC
	Reused        // ended by a new session on the same 5-tuple
	ExceptionDrop // ActionDrop came from an exception policy
	DropLoggedTS  // a drop to the server was logged
	DropLoggedTC  //
	ElephantTS    // the direction to the server made it an elephant
	ElephantTC    //
)

// InDir shifts a TS mark to its TC twin when d is ToClient.
func (f Flags) InDir(d Dir) Flags { return f << d }

// Key names a flow. Src is the side that sent the first packet.
type Key struct {
	Src, Dst         decode.Addr
	SrcPort, DstPort uint16 // ICMP: type and code of the first packet, folded as Suricata does
	VLAN             [decode.MaxVLAN]uint16
	Iface            uint16
	Proto            uint8
	IPVersion        uint8
	Depth            uint8 // tunnel depth
}

// Flow is the record of one conversation. It lies in its Table's slab, holds no pointers, and is valid until the table
// frees it; do not keep a *Flow across packets, keep Index.
type Flow struct {
	// The first two cache lines are what Lookup touches.

	Key   // client first, whatever the order of the addresses
	Index uint32
	Hash  uint32

	Last     int64 // nanoseconds
	link     linkage
	Flags    Flags
	State    State
	Reason   Reason
	App      ProtoID // what the flow is
	TCP      uint32  // index of the TCP session; 0 = none
	AppState uint32  // index of the application state; 0 = none
	Detect   uint32  // index of the detection state (bits, variables, rule classes); 0 = none
	Retry    uint32  // second (since 1970) before which no offloader is asked again

	ID    uint64    // flow_id in EVE: at most 51 bits, because JSON readers use doubles
	Pkts  [2]uint64 // by Dir
	Bytes [2]uint64 // wire bytes from the link layer, by Dir
	Start int64     // nanoseconds
	TTL   [2]struct{ Min, Max uint8 }

	AppDir     [2]ProtoID // what detection found in each direction
	AppOrig    ProtoID    // what it was before a change (STARTTLS, CONNECT)
	AppExpect  ProtoID    // what it is expected to change to
	TxCount    uint32
	Alerts     uint32
	Generation uint32 // ruleset that judged it last
	Exception  uint32 // exception policies applied: bit set of the engine's targets

	Bypassed       [2]struct{ Pkts, Bytes uint64 }
	SrcMAC, DstMAC [6]byte // of the first packet in client direction
	Parent         uint64  // flow_id of the flow that created it (expectations, tunnels); 0 = none

	Tags [decode.MaxVLAN]uint16 // VLAN ids of the first packet, also where they do not tell flows apart

	TenantKnown bool    // Tenant was decided
	Offload     Offload // whether something below the engine carries it
	Tenant      uint32  // whose rules judge it; 0 = those of no tenant

	_ [4]byte // a record is four cache lines
}

// linkage is the hash chain and the time-out list: the table's own.
type linkage struct {
	queued             int64 // Last when the flow was put into its list
	chainNext          uint32
	timePrev, timeNext uint32
	timeClass          uint8
	inUse              bool
}

// Has reports whether one of the marks is set.
func (f *Flow) Has(x Flags) bool { return f.Flags&x != 0 }
