package app

import (
	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// Transport is a set of transport protocols.
type Transport uint8

// The transports.
const (
	TCP Transport = 1 << iota
	UDP
)

// Protocol describes an application protocol. It is immutable.
type Protocol struct {
	Name      string    // in rules and configuration: "http1", "dns", "tls"
	Aliases   []string  // other names in rules
	EVE       string    // event_type and app_proto in EVE: "http"; empty = Name
	AppProto  string    // app_proto in EVE, where it is not that of EVE: "http2"
	Section   string    // below app-layer.protocols; empty = Name. It may differ by transport: "dns.tcp" is found by itself
	Transport Transport // where it is spoken
	Off       bool      // not enabled unless configured

	Patterns []Pattern
	Ports    []Probe

	// Setup reads the configuration section (nil-safe) and returns the maker of parsers for one worker, which may share pools
	// among themselves. It is called once a worker.
	Setup func(s Settings) (func() Parser, error)
	// StreamDepth overrides stream.reassembly.depth where the section has stream-depth; 0 = leave.
	StreamDepth uint32
	// GapOK says that the parser takes gaps (Input.Lost); without it a gap ends parsing.
	GapOK bool
	// FirstData is the direction that must speak first, for events; nil = any.
	FirstData *Dir

	States  [2][]string // names of the progress values by Dir, in order; the last is completion. These are the rule hooks.
	Types   []string    // names of the sub-states, where Tx.Type is used; States then counts for all
	Events  []string    // names without the protocol's prefix: "invalid_record_type"
	Frames  []string    // names without the prefix: "pdu"
	Buffers []Buffer
	Numbers []Number
	Matches []Match

	// Log writes the protocol's object (without its key) into EVE; nil = no event. It returns false for nothing to log.
	Log func(tx Transaction, w *jsonw.Builder, o *LogOptions) bool
	// Beside writes members that stand beside the protocol's object, with their keys, such as "email" of SMTP; nil = none.
	Beside func(tx Transaction, w *jsonw.Builder, o *LogOptions)
	// LogAt is the progress from which a transaction is logged, by Dir; 0 = when complete.
	LogAt [2]uint8
	// PrepareLog reads the event type's configuration once (nil-safe); what it returns becomes LogOptions.Flags.
	PrepareLog func(n *conf.Node, warn func(format string, args ...any)) uint64
	// Meta writes the object that alerts and files carry; nil = Log.
	Meta func(tx Transaction, w *jsonw.Builder, o *LogOptions) bool
	// Rules is the text of the protocol's event rules, none by default.
	Rules string
}

// Settings is what Setup gets.
type Settings struct {
	Section *conf.Node // app-layer.protocols.NAME; nil-safe
	Root    *conf.Node // the whole configuration, for sections shared by protocols
	// ID finds another protocol, for Result.Next; flow.ProtoUnknown when it is not built in or switched off.
	ID func(name string) ProtoID
	// Wants says what rules need that costs something: "ja3", "ja4", "file.magic".
	Wants func(what string) bool
	Warn  func(format string, args ...any)
	// Shared returns what all workers share under a name, made by the first that asks; nil = each worker has its own. It must
	// be safe for concurrent use, and touched rarely.
	Shared func(name string, make func() any) any
	Random uint64 // seed for randomised limits; 0 = no randomisation (--no-random)
}

// LogAsFlow is the one bit of LogOptions.Flags that output knows: the events show the client first, whichever side the
// transaction is of.
const LogAsFlow uint64 = 1 << 63

// LogOptions is the configuration of the event type in EVE.
type LogOptions struct {
	Node     *conf.Node // the type's mapping below outputs.eve-log.types; nil-safe
	Extended bool
	Flow     *flow.Flow
	Dir      Dir    // direction of the packet that caused the record
	Alert    bool   // the object goes into an alert, not into an event of its own
	Flags    uint64 // the protocol's own, prepared by PrepareLog; but see LogAsFlow
	// Part counts the events that the transaction makes, from 0. Log sets More if it wants to be called for another one.
	Part int
	More bool
}

// Pattern recognises a protocol by bytes near the start of a direction.
type Pattern struct {
	Transport Transport
	Dir       Dir
	Data      string
	Offset    int
	Depth     int // 0 = len(Data)+Offset
	Nocase    bool
	// Confirm is asked when the pattern matched; nil = take it. It may say Unsure to wait for more data.
	Confirm func(data []byte, d Dir, f *flow.Flow) (Verdict, Dir)
}

// Verdict is what a probe says.
type Verdict uint8

// The answers of a probe.
const (
	No     Verdict = iota
	Yes            // it is this protocol
	Unsure         // more data is needed
)

// Probe looks at data on certain ports.
type Probe struct {
	Transport Transport
	Ports     string // default ports, as in rules: "53", "[443,8443]"; detection-ports in the configuration override them
	Dir       Dir    // direction of packets to these ports: ToServer = destination port
	Min, Max  int    // bytes needed at least, looked at at most (0 = 64)
	// Func judges. It returns the direction that data really has, which may be the other one than d.
	Func func(data []byte, d Dir, f *flow.Flow) (Verdict, Dir)
}

// Any is the progress of a buffer that may be looked at in every state.
const Any = 0

// Point is where something is inspected: a protocol, a sub-state, a direction, and the progress from which it is there.
// Inspection, rule hooks and output hang on this key. Protocols leave Proto to the engine.
type Point struct {
	Proto    ProtoID
	Sub      uint8
	Dir      Dir
	Progress uint8
}

// At is a Point of a protocol's only state machine.
func At(d Dir, progress uint8) Point { return Point{Dir: d, Progress: progress} }

// BufferKind is the shape of a sticky buffer.
type BufferKind uint8

// The shapes.
const (
	Single   BufferKind = iota // one byte string, there or not
	Multiple                   // several byte strings, each inspected alone
	Streamed                   // a body or file, inspected in windows
)

// Buffer is a sticky buffer: a keyword and how to get its bytes. Several protocols, or both directions of one, may offer the
// same keyword.
type Buffer struct {
	Name   string
	Doc    string
	Legacy string // content modifier of the same meaning: "http_uri"
	Alias  string // other name of the keyword: "http_header" style alias of a sticky buffer
	At     Point
	Kind   BufferKind
	Single func(tx Transaction, d Dir, s *Scratch) []byte // nil = absent; empty, not nil = present and empty
	Multi  func(tx Transaction, d Dir, i int, s *Scratch) ([]byte, bool)
	Stream func(tx Transaction, d Dir) *file.Stream
	// Check validates contents at load, such as capital letters in a normalised host; nil = none.
	Check func(content []byte, nocase bool) error
	// Rewrite changes contents at load, for buffers that are all in one case; nil = none.
	Rewrite func(content []byte) []byte
}

// Bytes describes a buffer of one byte string. get returns nil when it is absent.
func Bytes[T Transaction](name, doc string, at Point, get func(t T, d Dir, s *Scratch) []byte) Buffer {
	return Buffer{Name: name, Doc: doc, At: at, Kind: Single, Single: func(tx Transaction, d Dir, s *Scratch) []byte {
		t, ok := tx.(T)
		if !ok {
			return nil
		}
		return get(t, d, s)
	}}
}

// Multi describes a buffer of several byte strings: get is asked for 0, 1, 2 … until it says false.
func Multi[T Transaction](name, doc string, at Point, get func(t T, d Dir, i int, s *Scratch) ([]byte, bool)) Buffer {
	return Buffer{Name: name, Doc: doc, At: at, Kind: Multiple, Multi: func(tx Transaction, d Dir, i int, s *Scratch) ([]byte, bool) {
		t, ok := tx.(T)
		if !ok {
			return nil, false
		}
		return get(t, d, i, s)
	}}
}

// Stream describes a buffer that is a body: rules see it in windows. get returns nil when there is none.
func Stream[T Transaction](name, doc string, at Point, get func(t T, d Dir) *file.Stream) Buffer {
	return Buffer{Name: name, Doc: doc, At: at, Kind: Streamed, Stream: func(tx Transaction, d Dir) *file.Stream {
		t, ok := tx.(T)
		if !ok {
			return nil
		}
		return get(t, d)
	}}
}

// Number is an integer keyword: Suricata's integer syntax (5, !5, >5, 3-7, names) is the engine's.
type Number struct {
	Name, Doc string
	Alias     string
	At        Point
	Bits      uint8                                             // 8, 16, 32, 64
	Names     map[string]uint64                                 // enumeration, lower case; nil = none
	List      bool                                              // it occurs several times, and rules may say which they mean
	Get       func(tx Transaction, d Dir, i int) (uint64, bool) // i = 0, 1, 2 … for numbers that occur several times
}

// Num describes a number that occurs at most once.
func Num[T Transaction](name, doc string, at Point, bits uint8, names map[string]uint64, get func(t T, d Dir) (uint64, bool)) Number {
	return Number{Name: name, Doc: doc, At: at, Bits: bits, Names: names, Get: func(tx Transaction, d Dir, i int) (uint64, bool) {
		t, ok := tx.(T)
		if !ok || i > 0 {
			return 0, false
		}
		return get(t, d)
	}}
}

// Match is a keyword with a syntax of its own.
type Match struct {
	Name, Doc string
	Alias     string
	At        Point
	// Setup parses the value (raw, without quotes handling) and returns the test. key makes equal conditions comparable.
	Setup func(value string) (test func(tx Transaction, d Dir) bool, key string, err error)
}
