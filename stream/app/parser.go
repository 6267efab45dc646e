package app

import (
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// Dir is a direction: flow.ToServer or flow.ToClient.
type Dir = flow.Dir

// The directions.
const (
	ToServer = flow.ToServer
	ToClient = flow.ToClient
)

// ProtoID is the id of a protocol.
type ProtoID = flow.ProtoID

// Input is what a parser gets at a time: contiguous bytes of one direction of a stream, or one datagram.
type Input struct {
	Flow   *flow.Flow // lent for the call
	Data   []byte     // lent for the call: what is kept must be copied
	Dir    Dir
	Offset uint64 // of Data[0] in the stream; 0 for datagrams
	Lost   uint32 // > 0: so many bytes are missing at Offset, and Data is empty
	EOF    bool   // nothing follows in this direction; Data may be empty
	Time   int64  // nanoseconds, the packet's
	Host   Host
}

// Status is how a parser fares.
type Status uint8

// The outcomes of a call.
const (
	OK     Status = iota
	Failed        // this is not the protocol, or is beyond repair: the parser is not called again
)

// ResultFlags ask the engine for something.
type ResultFlags uint8

// The requests of a parser.
const (
	NoInspect    ResultFlags = 1 << iota // payload is opaque from here (encrypted): rules on payload stop, the parser is done
	NoReassembly                         // no more data is wanted; streams are not reassembled any more
	BypassFlow                           // the flow need not be looked at any more
	TriggerRaw                           // rules should see the raw stream of this direction now
	SwapDir                              // client and server are the other way round
	EndOfMessage                         // as TriggerRaw, for both directions
	NoPayload                            // rules on payload stop, as with NoInspect, but the parser goes on
)

// Result is what became of an Input.
type Result struct {
	// Consumed is how much of Data is done with; the rest is offered again in front of what follows. A datagram's rest is
	// dropped.
	Consumed int
	// Need is how many bytes from Consumed on there must be before the parser is called again; 0 = any new byte.
	Need   int
	Status Status
	Next   ProtoID // the flow changes to another protocol at Consumed (STARTTLS, CONNECT); 0 = no
	// NextAny asks for protocol detection anew at Consumed. NextPort, if not 0, is the port that probing assumes.
	NextAny  bool
	NextPort uint16
	Flags    ResultFlags
}

// Parser follows one flow. All calls come from the flow's worker.
//
// Transactions finish in any order: Next lists the live ones by rising id, Free gives one back. The parser bounds how many
// are alive.
type Parser interface {
	Parse(in *Input) Result
	// Next returns the first live transaction with an id above after (ids begin at 1).
	Next(after uint64) (Transaction, bool)
	// Free gives up a transaction; it and its buffers may be reused at once. Unknown ids are ignored.
	Free(id uint64)
}

// Resetter is implemented by parsers that can be reused for another flow of the protocol.
type Resetter interface{ Reset() }

// Transaction is one exchange of a protocol: a request with its response, a message, a handshake.
type Transaction interface{ Base() *Tx }

// MaxEvents bounds the events of one protocol.
const MaxEvents = 256

// EventSet is a set of a protocol's events, by index into Protocol.Events.
type EventSet [MaxEvents / 64]uint64

// Set adds event e.
func (s *EventSet) Set(e uint8) { s[e>>6] |= 1 << (e & 63) }

// Has reports whether event e is in the set.
func (s *EventSet) Has(e uint8) bool { return s[e>>6]&(1<<(e&63)) != 0 }

// Empty reports whether no event is in the set.
func (s *EventSet) Empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

// Tx is what the engine knows of every transaction. Protocols embed it. The first group is the protocol's to write,
// the second is the engine's.
type Tx struct {
	ID       uint64   // from 1, rising, unique in the flow
	Type     uint8    // sub-state, where a protocol has several state machines; else 0
	Progress [2]uint8 // by Dir: index into Protocol.States; the last one means complete
	Updated  [2]bool  // something changed in this direction since the engine looked last
	Events   EventSet
	Again    []uint8 // events that were raised when they were in Events already, as far as output has not written them
	Files    [2]file.List
	Store    [2]bool // by Dir: files that are to come are stored
	OneWay   bool    // only the direction Way exists: the other counts as complete
	Way      Dir

	Logged     uint32 // bit set of the output types that wrote it
	LogFlags   uint32 // what the config keyword asked for (no logging of this transaction)
	Detect     uint32 // index of stored detection state; 0 = none
	Inspected  [2]uint8
	InspectEnd [2]bool  // rules are done with this direction
	EventsSeen EventSet // those that anomaly output wrote
	Bits       []uint32 // ids of tx bits, few
	Alerted    bool
}

// maxAgain bounds the repetitions of a transaction's events that are remembered at a time.
const maxAgain = 255

// Raise sets an event. Unlike Events.Set it remembers that the event came again, so that output writes it each time.
func (t *Tx) Raise(e uint8) {
	if !t.Events.Has(e) {
		t.Events.Set(e)
	} else if len(t.Again) < maxAgain {
		t.Again = append(t.Again, e)
	}
}

// Base returns the Tx itself.
func (t *Tx) Base() *Tx { return t }

// Host is what the engine offers to a parser during Parse. It is not to be kept.
type Host interface {
	// Event sets an event of the flow that belongs to no transaction.
	Event(e uint8)
	// Open opens a file on a transaction, in the direction of the Input. The name is copied.
	Open(tx *Tx, name []byte) *file.File
	// Frame marks length bytes at stream offset off, in the direction of the Input, as a frame of type t (an index into
	// Protocol.Frames); length < 0 means that its end is not known yet. The frame lives as long as its bytes. It returns nil
	// when nobody wants such frames; the pointer is good until the next call of the Host.
	Frame(t uint8, off uint64, length int64) *Frame
	// OpenFrame returns the newest frame of type t in the direction of the Input whose end is not known yet; nil = none. The
	// pointer is good until the next call of the Host.
	OpenFrame(t uint8) *Frame
	// Expect announces a flow to come, such as an FTP data connection.
	Expect(e Expectation)
	// Scratch is memory for the duration of the call.
	Scratch() *Scratch
}

// Expectation is a flow that a protocol announces.
type Expectation struct {
	Src, Dst         [16]byte // IPv4 in the first four bytes
	IPVersion        uint8
	SrcPort, DstPort uint16 // 0 = any
	Proto            ProtoID
	Data             any // handed to the new flow's parser if it implements Expected
}

// Scratch is reusable memory for buffers that are built, not stored. A buffer that a getter builds in it stays valid until
// the engine resets it, which it does after each packet.
type Scratch struct {
	buf []byte
	old [][]byte
}

// Grab returns n bytes, capped.
func (s *Scratch) Grab(n int) []byte {
	if len(s.buf)+n > cap(s.buf) {
		if cap(s.buf) > 0 {
			s.old = append(s.old, s.buf)
		}
		size := 2*cap(s.buf) + n
		if size < 4096 {
			size = 4096
		}
		s.buf = make([]byte, 0, size)
	}
	i := len(s.buf)
	s.buf = s.buf[:i+n]
	return s.buf[i : i+n : i+n]
}

// Rest returns the free space as an empty slice to append to; Keep makes what was appended permanent. Appending beyond its
// capacity moves it elsewhere, which is harmless.
func (s *Scratch) Rest() []byte { return s.buf[len(s.buf):cap(s.buf)][:0] }

// Keep keeps b, which was made by appending to Rest, and returns it capped.
func (s *Scratch) Keep(b []byte) []byte {
	n := len(s.buf)
	if len(b) > 0 && n+len(b) <= cap(s.buf) && &s.buf[:n+1][n] == &b[0] {
		s.buf = s.buf[:n+len(b)]
	}
	return b[:len(b):len(b)]
}

// Reset gives all memory back. Slices that Grab and Keep returned are void.
func (s *Scratch) Reset() {
	clear(s.old)
	s.old = s.old[:0]
	if cap(s.buf) > 1<<20 {
		s.buf = nil
		return
	}
	s.buf = s.buf[:0]
}
