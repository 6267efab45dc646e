package flow

// Timeouts are the seconds without a packet after which a flow ends, by its state.
type Timeouts struct {
	New, Established, Closed, Bypassed uint32
}

// Class is a group of protocols with time-outs of their own.
type Class uint8

// The classes, named in flow-timeouts as default, tcp, udp and icmp. ICMPv6 is in the default class, as in Suricata.
const (
	ClassDefault Class = iota
	ClassTCP
	ClassUDP
	ClassICMP
	ClassCount
)

// Config is the configuration of a Table. The zero value means the defaults of [Config.WithDefaults].
type Config struct {
	Memcap   int64  // flow.memcap: bytes of this table's records; 0 = 128 MiB
	HashSize uint32 // flow.hash-size: hash rows to begin with; 0 = 65536
	Prealloc uint32 // flow.prealloc: records mapped at start; 0 = none
	// EmergencyRecovery is flow.emergency-recovery: the percentage of Prealloc that must be spare before emergency mode
	// ends; 0 = 30.
	EmergencyRecovery uint32

	Normal    [ClassCount]Timeouts // flow-timeouts; all zero = defaults
	Emergency [ClassCount]Timeouts // flow-timeouts, emergency-*

	IgnoreVLAN  bool // vlan.use-for-tracking: no
	IgnoreIface bool // livedev.use-for-tracking: no
	IgnoreDepth bool // decoder.recursion-level.use-for-tracking: no
	Midstream   bool // stream.midstream: in emergency mode only a SYN may then create a TCP flow

	RateBytes    uint64 // flow.rate-tracking.bytes; 0 = off
	RateInterval uint32 // flow.rate-tracking.interval in seconds, at most 60

	// Seed keys the hash and the flow ids; 0 = random. All tables of one engine need the same seed and different Worker
	// numbers for ids that are unique.
	Seed   uint64
	Worker uint8
}

// DefaultNormal and DefaultEmergency are the time-outs of an engine without flow-timeouts in its configuration.
var (
	DefaultNormal = [ClassCount]Timeouts{
		ClassDefault: {30, 300, 0, 100},
		ClassTCP:     {30, 300, 10, 100},
		ClassUDP:     {30, 300, 0, 100},
		ClassICMP:    {30, 300, 0, 100},
	}
	DefaultEmergency = [ClassCount]Timeouts{
		ClassDefault: {10, 100, 0, 50},
		ClassTCP:     {10, 100, 5, 50},
		ClassUDP:     {10, 100, 0, 50},
		ClassICMP:    {10, 100, 0, 50},
	}
)

// WithDefaults fills in what is zero, and lowers emergency time-outs that exceed the normal ones to a tenth of those.
func (c Config) WithDefaults() Config {
	if c.Memcap == 0 {
		c.Memcap = 128 << 20
	}
	if c.HashSize == 0 {
		c.HashSize = 65536
	}
	if c.EmergencyRecovery == 0 || c.EmergencyRecovery > 100 {
		c.EmergencyRecovery = 30
	}
	if c.Normal == ([ClassCount]Timeouts{}) {
		c.Normal = DefaultNormal
	}
	if c.Emergency == ([ClassCount]Timeouts{}) {
		c.Emergency = DefaultEmergency
	}
	lower := func(e *uint32, n uint32) {
		if *e > n {
			*e = n / 10
		}
	}
	for i := range c.Normal {
		n, e := &c.Normal[i], &c.Emergency[i]
		lower(&e.New, n.New)
		lower(&e.Established, n.Established)
		lower(&e.Closed, n.Closed)
		lower(&e.Bypassed, n.Bypassed)
	}
	if c.RateInterval == 0 || c.RateInterval > maxRateInterval {
		c.RateInterval = min(max(c.RateInterval, 1), maxRateInterval)
	}
	return c
}

func (t *Timeouts) of(s State) uint32 {
	switch s {
	case Established:
		return t.Established
	case Closed:
		return t.Closed
	case LocalBypassed, CaptureBypassed:
		return t.Bypassed
	}
	return t.New
}
