package bypass

import (
	"errors"
	"net/netip"

	"sentinel/stream/flow"
)

// The reasons for which an Offloader does not take a flow. Any other error counts as a failure of that one flow too.
var (
	// ErrFull says that there is no room now. The flow stays with the engine, which may ask again.
	ErrFull = errors.New("no room for another flow")
	// ErrUnsupported says that the offloader can never take a flow of this kind.
	ErrUnsupported = errors.New("flows of this kind cannot be offloaded")
	// ErrUnknown says that the offloader has no such flow.
	ErrUnknown = errors.New("no such flow")
)

// Entry is a flow that is to be taken over.
type Entry struct {
	// Key names the flow as it is on the wire, client first: VLAN has the tags of its packets and Iface is the interface that
	// they came in by (capture.Frame.Iface), also where the engine does not tell flows apart by them. Depth is 0: what is in a
	// tunnel is not offloaded. ICMP and ESP flows are not asked for.
	flow.Key
	// Drop says that the packets of both directions are to be dropped. Otherwise they go on, unseen by the engine: they are
	// forwarded to the peer where the interface is one side of a wire. Where it only listens there is nowhere to go on to.
	Drop bool
	// Strip is how many VLAN tags the capture takes out of frames: 4 bytes a tag and packet are not counted, as the engine does
	// not count them.
	Strip uint8
	// Err is set by Install for a flow that was not taken. Install passes over an entry that has it set already.
	Err error
}

// Return is a flow that is to be given back to the engine.
type Return struct {
	Key flow.Key // as it was installed
	// Counters is set by Remove to what was counted since the last report, up to the last packet.
	Counters Counters
	Err      error // set by Remove; the flow is forgotten all the same
}

// Counters are packets and bytes by direction (flow.Dir): 0 is what the client of the key sent, 1 what came back. Bytes are
// counted from the link layer on, without frame check sequence, as the engine counts them.
type Counters struct {
	Pkts, Bytes [2]uint64
	Last        int64 // of the last packet, in nanoseconds since 1970; 0 = not known, the time of the report stands for it
}

// Zero reports whether nothing was counted.
func (c *Counters) Zero() bool { return c.Pkts[0]|c.Pkts[1]|c.Bytes[0]|c.Bytes[1] == 0 }

// Add adds what was counted later.
func (c *Counters) Add(o Counters) {
	for d := range c.Pkts {
		c.Pkts[d] += o.Pkts[d]
		c.Bytes[d] += o.Bytes[d]
	}
	c.Last = max(c.Last, o.Last)
}

// Offloader carries flows past the engine. One goroutine calls its methods. It forgets no flow by itself: what was counted
// would be lost. When it has no room it refuses.
type Offloader interface {
	// Install takes over the flows of a batch, or sets their Err. It keeps nothing of the batch.
	Install(batch []Entry)
	// Remove gives the flows of a batch back to the engine. When it returns none of their packets is on its way any more that
	// is not counted. It may take a few milliseconds.
	Remove(batch []Return)
	// Sweep reports each flow that has had packets since the last report, with what was counted since then: a packet is
	// reported once, by Sweep or by Remove. now is nanoseconds since 1970. report must not call the offloader.
	Sweep(now int64, report func(flow.Key, Counters)) error
	// Close removes all flows and lets go of the device. What was not swept is lost.
	Close() error
}

// EarlyDropper is implemented by offloaders that can drop packets by their source address before anybody looks at them.
type EarlyDropper interface {
	// DropHost drops all packets from a host until a time in nanoseconds since 1970. A later call moves the time.
	DropHost(host netip.Addr, until int64) error
	// AllowHosts forgets hosts whose time is over at now. It returns how many are left.
	AllowHosts(now int64) (left int, err error)
	// DropNetworks makes the list of networks whose packets are dropped; it replaces the one before, without a gap for networks
	// that are in both.
	DropNetworks([]netip.Prefix) error
	// Dropped returns what was dropped since the start.
	Dropped() (EarlyDrops, error)
}

// EarlyDrops are totals of what an EarlyDropper dropped, by reason.
type EarlyDrops struct {
	HostPkts, HostBytes       uint64
	NetworkPkts, NetworkBytes uint64
}

// Occupied is implemented by offloaders that know how full they are.
type Occupied interface {
	// Occupancy returns the flows that an interface (capture.Frame.Iface) carries, and how many it has room for; 0 = unknown.
	Occupancy(iface uint16) (flows, room int)
}
