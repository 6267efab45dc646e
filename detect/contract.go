package detect

import (
	"sentinel/decode"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Keyword is one word of the rule language that belongs to no protocol. Keywords live in detect/keyword, a file each;
// those of protocols are made from their descriptors.
type Keyword struct {
	Name  string
	Alias string
	Doc   string // one line, for --list-keywords
	Flags KeywordFlags
	// Setup reads one use of the keyword in a rule. Its error is the reason only: file, line and keyword are added.
	Setup func(b *Builder, value string) error
}

// KeywordFlags describe a keyword's syntax and kind.
type KeywordFlags uint16

// The marks of a keyword.
const (
	NoValue       KeywordFlags = 1 << iota // takes no value
	OptionalValue                          // may do without
	Negatable                              // "!" before the value is handled: Builder.Negated
	Quoted                                 // the value must be in quotes
	MaybeQuoted                            // the value may be in quotes
	Sticky                                 // selects a buffer for what follows
	Modifier                               // changes the last content
	Transform                              // changes the selected buffer
	Deprecated
	IPOnlyOK      // a rule that only has addresses and this is still IP-only
	EventsOnlyOK  // the same for rules on decoder events
	Prefilterable // the prefilter keyword may follow it
	Refused       // known, and refused in every rule: it does not count for requires
)

// Match is a condition without position in a buffer. Its dynamic type must be comparable and immutable, so that equal
// conditions of different rules are one.
type Match interface{ Match(c *Ctx) bool }

// Needs says what a condition needs of a packet; it decides the rule's type and on which packets it is tried.
type Needs uint32

// The needs.
const (
	NeedIP          Needs = 1 << iota
	NeedTCP               // a TCP header
	NeedUDP               //
	NeedICMP              //
	NeedPacket            // a real packet: the rule is a packet rule, not tried on pseudo packets
	NeedPayload           // the packet's payload; not tried with stream data
	NeedFlow              // a flow
	NeedEstablished       // tried on established flows only
	NeedStream            // tried on reassembled data only
	NeedNoStream          // tried on packets only
	NeedEvents            // decoder or stream events: tried on invalid packets too
	NeedApp               // makes the rule an application rule
	ToServerOnly          // flow direction
	ToClientOnly
)

// Ctx is what a Match sees. It is the worker's, reused for each packet.
type Ctx struct {
	Unit   *stream.Unit
	Packet *decode.Packet
	Flow   *flow.Flow // nil without a flow
	Dir    flow.Dir
	Now    int64           // nanoseconds
	Tx     app.Transaction // transaction under inspection; nil for packet rules
	State  *stream.State   // application state; nil = none
	Worker *Worker
	Rule   *Meta
	Type   Type // of the rule
	Alert  AlertFlags
}
