package detect

import (
	"sentinel/detect/mpm"
	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Type is what kind of thing a rule judges. It follows from its keywords (Suricata user guide, rule types).
type Type uint8

// The types of rules.
const (
	TypeNotSet     Type = iota
	TypeIPOnly          // addresses only: once per flow and direction
	TypeLikeIPOnly      // the same, with negated addresses
	TypePDOnly          // protocol detection only
	TypeDEOnly          // decoder events only
	TypePacket
	TypePacketStream // packets and the reassembled stream
	TypeStream
	TypeAppLayer
	TypeAppTx
)

var typeNames = [...]string{"not_set", "ip_only", "like_ip_only", "pd_only", "de_only", "pkt", "pkt_stream", "stream", "app_layer", "app_tx"}

func (t Type) String() string { return typeNames[t] }

// ruleFlags are properties of a compiled rule.
type ruleFlags uint32

const (
	toServer ruleFlags = 1 << iota
	toClient
	requirePacket
	requireStream
	requireStreamOnly // no fall-back to the packet's payload
	appLayer
	bothDirs // "=>": the transaction must match in both directions
	needFlowVar
	hasDsize
	hasFlow    // a flow keyword was given
	needsFiles // looks at files
	filestore
	bypassing
	negatedFast // the fast pattern is negated: no prefilter
	hookFlowStart
	usesFrames
)

const bothWays = toServer | toClient

// mask is what a rule needs of a packet, compared with what the packet has before anything else is.
type mask uint8

const (
	maskPayload mask = 1 << iota
	maskNoPayload
	maskFlow
	maskInitFlags    // SYN, FIN or RST
	maskUnusualFlags // URG, ECE or CWR
	maskReal         // not a pseudo packet
	maskEvents
)

// scope is how far pass and drop reach.
type scope uint8

const (
	scopeAuto scope = iota
	scopePacket
	scopeFlow
)

// compiled is one rule, ready to be judged. It is immutable once Compile returns.
type compiled struct {
	meta  Meta
	num   uint32 // place in the order of evaluation
	typ   Type
	flags ruleFlags
	mask  mask
	head  uint32 // index of its header predicate
	scope scope
	src   *rules.Rule
	iid   uint32 // load order

	alerts  bool // not noalert
	dsize   Uint
	matches []Match  // of the packet and flow; all must hold
	payload *program // content on payload or stream; nil = none
	pkt     []packetEngine
	tx      []engine // sorted by progress, the prefiltered one first
	frames  []frameEngine
	post    []Match // run after a match
	tags    []Match // run after thresholds let the alert through

	thresholds []*Threshold
	suppress   []*Threshold

	apps   appSet // empty = any
	fast   *fastPattern
	anchor *anchor // for packets, where the fast pattern may lie anywhere; nil = none
	hook   *hook
	order  orderKey
	target Target

	fileNeeds  FileNeeds
	magic      bool // a buffer is the kind of files
	storeScope StoreScope
	storeDirs  [2]bool // by Dir, with a scope beyond the file
	bits       int     // flowbits used
}

// appSet is a set of application protocols; the empty set means any.
type appSet [4]uint64

func (s *appSet) add(p flow.ProtoID)      { s[p>>6] |= 1 << (p & 63) }
func (s *appSet) has(p flow.ProtoID) bool { return s[p>>6]&(1<<(p&63)) != 0 }
func (s *appSet) empty() bool             { return *s == appSet{} }

func (s *appSet) and(o appSet) appSet {
	for i := range o {
		o[i] &= s[i]
	}
	return o
}

func appsOf(ids []flow.ProtoID) (s appSet) {
	for _, id := range ids {
		s.add(id)
	}
	return s
}

// hook binds a rule to a state of transactions: "http1:request_line".
type hook struct {
	proto    flow.ProtoID
	sub      uint8
	dir      flow.Dir
	progress uint8
}

// engineKind is how an engine gets what it looks at.
type engineKind uint8

const (
	onBuffer  engineKind = iota // bytes of a transaction
	onNumber                    // an integer keyword
	onTest                      // a keyword with a syntax of its own
	onEvent                     // app-layer-event
	onFiles                     // conditions on the files of a transaction
	onPayload                   // payload or stream
	onHook                      // nothing but the state
	onState                     // app-layer-state
)

// engine is one condition of a rule on transactions.
type engine struct {
	kind     engineKind
	mpm      bool         // the rule's fast pattern is here
	null     bool         // matches when the buffer is absent for good
	proto    flow.ProtoID // ProtoUnknown = any
	sub      uint8
	dir      flow.Dir
	progress uint8
	id       uint8  // bit in the stored state
	data     uint32 // with onBuffer: index of the ruleset's data
	prog     *program
	number   *app.Number
	uint     UintList
	test     func(tx app.Transaction, d app.Dir) bool
	event    uint8
	states   []stateTest
	files    []FileMatch
	needs    FileNeeds
	negate   bool
}

// packetEngine is one condition of a rule on a buffer of the packet, such as tcp.hdr.
type packetEngine struct {
	data uint32 // index of the ruleset's packet buffers
	prog *program
}

// fastPattern is the content that must be found before a rule is tried.
type fastPattern struct {
	data    []byte
	nocase  bool
	negated bool
	use     *bufferUse // nil = payload
	elem    *Content
	from    uint32 // in payloads: where it begins at the earliest
	to      uint32 // and has ended at the latest; 0 = anywhere
	pattern mpm.Pattern
}
