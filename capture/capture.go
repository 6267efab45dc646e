// Package capture lends frames to the engine and carries out its verdicts.
//
// A Source is one receive queue that one goroutine owns. It lends batches of
// frames, and takes them back with a verdict each. The package knows nothing
// of what is inside a frame.
package capture

import (
	"context"
)

// LinkType is a link-layer header type, numbered as in pcap files (the LINKTYPE_ registry of tcpdump.org).
type LinkType uint32

// The link types that drivers report. The registry has more; decode turns away what it does not know.
const (
	LinkNull      LinkType = 0   // BSD loopback: address family in the capturing host's byte order
	LinkEthernet  LinkType = 1   // Ethernet
	LinkPPP       LinkType = 9   // PPP
	LinkRawBSD    LinkType = 12  // raw IP on most systems
	LinkRawOld    LinkType = 14  // raw IP on OpenBSD
	LinkRaw       LinkType = 101 // raw IP
	LinkCHDLC     LinkType = 104 // Cisco HDLC
	LinkLoop      LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkSLL       LinkType = 113 // Linux cooked, version 1
	LinkIPv4      LinkType = 228 // raw IPv4
	LinkIPv6      LinkType = 229 // raw IPv6
	LinkNFLOG     LinkType = 239 // Linux netfilter log
	LinkSLL2      LinkType = 276 // Linux cooked, version 2
	LinkUserNFQ   LinkType = 900 // frames from a netfilter queue: raw IP (not in the registry)
	LinkUndefined LinkType = 1 << 31
)

// Flags says what is known of a frame besides its bytes.
type Flags uint16

// The flags of a frame.
const (
	HashValid   Flags = 1 << iota // Frame.Hash is symmetric in the 5-tuple
	ChecksumOK                    // hardware or kernel has verified the transport checksum
	ChecksumBad                   // hardware found the transport checksum wrong
	Writable                      // Frame.Data may be changed in place (inline)
	Outgoing                      // sent by this host
	Truncated                     // Data is shorter than the packet on the wire
	Markable                      // the source carries out Frame.Mark
)

// Verdict is what becomes of a frame when it is released.
type Verdict uint8

// The verdicts. Passive drivers ignore them.
const (
	Accept   Verdict = iota // forward unchanged
	Drop                    // do not forward
	Modified                // forward; Data was changed in place
	Bypass                  // forward, and leave the rest of the flow to the driver where it can
)

// A Frame is one captured packet. Data is lent by the Source until Release.
type Frame struct {
	Data    []byte // captured bytes, from the link-layer header on; capped (cap == len)
	Time    int64  // nanoseconds since 1970, the source's clock
	WireLen uint32 // length on the wire, at least len(Data)
	Hash    uint32 // flow hash; see HashValid
	Link    LinkType
	Iface   uint16    // index of the interface, for Driver and output
	Queue   uint16    // receive queue of the interface
	VLAN    [2]uint16 // tags that hardware or kernel has taken out of Data (outer first); 0 = none
	Flags   Flags
	Verdict Verdict // set by the engine before Release
	// Mark is given to the packet, in the bits of MarkMask, when the frame is released: the mark that the firewall sees. It is for frames
	// with the flag Markable, and set by the engine.
	Mark, MarkMask uint32
	Token          uint64 // the Source's own handle of the frame
}

// SetMark gives some bits of the mark a value; what was set before stays in the other ones.
func (f *Frame) SetMark(mark, mask uint32) {
	f.Mark = f.Mark&^mask | mark&mask
	f.MarkMask |= mask
}

// Stats are totals of one Source since it was opened. All counts are frames but Bytes.
type Stats struct {
	Received uint64 // lent to the engine
	Bytes    uint64 // captured bytes lent
	Dropped  uint64 // lost before the engine saw them (kernel, ring, queue overrun)
	Bypassed uint64 // passed by the driver because of an earlier Bypass
	Invalid  uint64 // not lent because the driver found them broken
	Errors   uint64 // read errors that the source survived
}

// Source is one receive queue, owned by one goroutine.
type Source interface {
	// Read lends up to len(batch) frames. It returns 0, nil after at most 10 ms without a packet, and io.EOF
	// (with n == 0) at the end of a finite source. Any other error is final too; frames before it were lent.
	Read(ctx context.Context, batch []Frame) (int, error)
	// Release carries out the verdicts and takes the frames back. Frames are released in the order they were lent.
	Release(batch []Frame) error
	Stats() Stats
	Close() error
}

// Injector is implemented by sources that can send a frame (reject). Inject is called by the goroutine that owns the source; of a
// wire whose two sides one worker reads, that is the owner of both.
type Injector interface {
	// Inject sends a whole frame of the source's link type. The bytes are not kept.
	Inject(b []byte) error
}

// Poller is implemented by sources that one goroutine can wait for together with others: the two sides of a wire.
type Poller interface {
	Source
	// Poll is a Read that never waits: 0, nil means that there is nothing now.
	Poll(batch []Frame) (int, error)
	// Descriptor is a file descriptor that is readable (poll(2)) when Poll has frames to lend. It is -1 where only polling
	// tells; it may change between calls.
	Descriptor() int
}

// Emptier is implemented by sources whose frames have the time at which they are read, so that the time does not tell which came
// before the end of a run.
type Emptier interface {
	// Emptied reports whether the last Read or Poll has left nothing behind.
	Emptied() bool
}

// Symmetric is implemented by sources that know whether source i of their interface and source i of the one that they forward to
// get the same flows. Those that do not implement it promise that.
type Symmetric interface {
	Symmetric() bool
}

// Counted is implemented by sources that count more than Stats has.
type Counted interface {
	// Counts appends the present totals to dst. Their names and their order are always the same.
	Counts(dst []Count) []Count
}

// Count is a total of a source, by its name in statistics, such as capture.afpacket.polls.
type Count struct {
	Name  string
	Value uint64
}

// Clock is implemented by sources with a time of their own, such as files.
type Clock interface {
	// Now returns the source's time in nanoseconds since 1970: the last packet's time for a file.
	Now() int64
}

// Progress is implemented by sources that know how far they are.
type Progress interface {
	// Progress returns bytes read and the total; total is 0 when unknown.
	Progress() (done, total int64)
}

// Described is implemented by sources that read named files, for EVE's pcap_filename and pcap_cnt.
type Described interface {
	// File returns the name of the file that the frames of the last Read came from.
	File() string
}
