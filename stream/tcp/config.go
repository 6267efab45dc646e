package tcp

import "sentinel/internal/mem"

// Exception is what an exception policy does.
type Exception uint8

// The exception policies, named in suricata.yaml as ignore, auto, pass-packet, pass-flow, bypass, drop-packet, drop-flow,
// reject and reject-both.
const (
	ExceptionNone Exception = iota
	ExceptionAuto
	ExceptionPassPacket
	ExceptionPassFlow
	ExceptionBypass
	ExceptionDropPacket
	ExceptionDropFlow
	ExceptionReject
	ExceptionRejectBoth
)

// Urgent is what becomes of urgent data (stream.reassembly.urgent).
type Urgent uint8

// The urgent policies.
const (
	UrgentInline Urgent = iota // it is ordinary data
	UrgentDrop                 // the packet is dropped
	UrgentOOB                  // the last byte is not part of the stream
	UrgentGap                  // the last byte is missing from the stream
)

// Config is the configuration of a Tracker: the stream section of suricata.yaml. The zero value of a field means its
// default unless it says otherwise. Start from [DefaultConfig].
type Config struct {
	Sessions   *mem.Budget // stream.memcap; may be shared by trackers; nil = 64 MiB of its own
	Reassembly *mem.Budget // stream.reassembly.memcap; nil = 256 MiB of its own

	Inline      bool // stream.inline
	IPS         bool // the engine drops packets, also with stream.inline off
	DropInvalid bool // stream.drop-invalid: only inline
	Midstream   bool // stream.midstream
	AsyncOne    bool // stream.async-oneside
	Bypass      bool // stream.bypass: sessions beyond the depth
	DetectOff   bool // no rules: bypass sessions that are not reassembled

	// MidstreamPolicy is stream.midstream-policy: anything but none and pass-flow also stops midstream pick-ups.
	MidstreamPolicy Exception

	MaxSynQueued     uint8 // stream.max-syn-queued; DefaultConfig: 10
	MaxSynAckQueued  uint8 // stream.max-synack-queued; DefaultConfig: 5
	PreallocSessions uint32
	PreallocSegments uint32

	Depth         uint32    // stream.reassembly.depth; 0 = no limit; DefaultConfig: 1 MiB
	Chunk         [2]uint32 // toserver- and toclient-chunk-size, by Dir; DefaultConfig: 2560
	NoRaw         bool      // stream.reassembly.raw: no
	CheckOverlap  bool      // check-overlap-different-data; always on inline
	MaxRegions    uint16    // stream.reassembly.max-regions; 0 = no limit; DefaultConfig: 8
	UrgentPolicy  Urgent    // stream.reassembly.urgent.policy
	UrgentLimit   Urgent    // stream.reassembly.urgent.oob-limit-policy
	StrictTime    bool      // stream.liberal-timestamps: no
	Hosts         *Hosts    // host-os-policy; nil = BSD for all
	KeepForLogger bool      // a consumer reads the stream through LogProgress
}

// DefaultConfig returns the configuration of an engine without a stream section.
func DefaultConfig() Config {
	return Config{
		DropInvalid:      true,
		MaxSynQueued:     10,
		MaxSynAckQueued:  5,
		PreallocSessions: 2048,
		PreallocSegments: 2048,
		Depth:            1 << 20,
		Chunk:            [2]uint32{2560, 2560},
		MaxRegions:       8,
	}
}
