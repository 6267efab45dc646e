package tcp

import (
	"sentinel/decode"
	"sentinel/internal/mem"
	"sentinel/stream/flow"
)

// State is a state of RFC 9293, as far as somebody in the middle can tell. The order matters: states are compared.
type State uint8

// The states.
const (
	None        State = 0
	SynSent     State = 2
	SynRecv     State = 3
	Established State = 4
	FinWait1    State = 5
	FinWait2    State = 6
	TimeWait    State = 7
	LastAck     State = 8
	CloseWait   State = 9
	Closing     State = 10
	Closed      State = 11
	stateCount  State = 12
)

var stateNames = [stateCount]string{"none", "", "syn_sent", "syn_recv", "established", "fin_wait1", "fin_wait2",
	"time_wait", "last_ack", "close_wait", "closing", "closed"}

// String returns the name of the state in EVE's tcp.state.
func (s State) String() string {
	if s < stateCount {
		return stateNames[s]
	}
	return "invalid"
}

// Flags are the marks of a Session.
type Flags uint32

// The marks of a session.
const (
	Midstream       Flags = 1 << iota // picked up without its handshake
	midstreamEst                      // picked up with data: the server's window is not known yet
	midstreamSynAck                   // picked up at the SYN/ACK
	timestamps                        // both sides use timestamps
	serverWScale                      // the SYN had a window scale
	ClosedByRST                       //
	Async                             // only one side is seen
	fourWay                           // SYN from both sides
	evasion                           // the handshake's ACK had the wrong number: some hosts then ignore a RST
	clientSACK                        // the SYN permits SACK
	SACK                              // both sides permit SACK
	Liberal                           // segments were lost: be lenient with RST
	confirmed                         // the server sent something behind the handshake
	AppDisabled                       // the application layer takes no more data
	bypassed                          // the caller asked for bypass
	FastOpen                          // TCP Fast Open (RFC 7413)
	tfoIgnored                        // the SYN/ACK did not acknowledge the data of the SYN
	probeTS                           // a zero window probe of the client waits for its ACK
	probeTC                           //
)

// StreamFlags are the marks of a Stream.
type StreamFlags uint16

// The marks of a stream.
const (
	HasGap         StreamFlags = 1 << iota // bytes never came
	NoReassembly                           // nothing is kept any more
	keepAlive                              // a keep-alive waits for its ACK
	DepthReached                           // the stream is longer than the depth
	triggerRaw                             // rules look at the stream at the next chance
	streamTime                             // the SYN had a timestamp
	zeroTime                               // and it was zero
	newRawDisabled                         // rules look at what is there once more, then no longer
	rawDisabled                            // rules do not look at the stream
	rstSeen                                // a RST that may be forged was accepted
	eofSent                                // the application layer knows the end
	appOff                                 // the application layer wants no more of this direction
	keepFrom                               // see Tracker.Keep
	offering                               // App.Data is being called: no offer within an offer
)

// Session is one TCP connection. It holds no pointers. Outside this package it is for reading.
type Session struct {
	State, Prev State
	queueLen    uint8
	firstData   uint8 // who sent data first: 1 = client, 2 = server
	swaps       uint8 // how often Swap was called, modulo 256
	Seen        decode.TCPFlags
	urgent      [2]uint16 // out-of-band bytes taken out of the streams
	Flags       Flags
	Depth       uint32    // reassembly depth in bytes; 0 = none
	queue       uint32    // SYNs or SYN/ACKs that may turn out to be the right one
	Stream      [2]Stream // by the direction of the data: [flow.ToServer] is what the client sends
}

// Stream is one direction of a Session. Sequence numbers are those of its sender; Window, LastAck and NextWin are what
// the receiver granted.
type Stream struct {
	Flags  StreamFlags
	Seen   decode.TCPFlags // flags that the sender used
	WScale uint8           // applies to Window
	Policy Policy          // of the receiver

	ISN     uint32
	NextSeq uint32 // next expected sequence number
	LastAck uint32
	NextWin uint32 // highest sequence number that the receiver allows
	Window  uint32

	lastTS    uint32 // last timestamp of the sender
	lastPktTS uint32 // second in which it came

	need       uint32 // bytes that the application layer waits for
	minInspect uint32 // bytes before the raw progress that rules want to see again
	sackSize   uint32 // bytes in the SACK list
	sacks      uint32 // list of what the receiver has beyond LastAck
	sackLen    uint16

	Regions, MaxRegions uint16 // memory regions now and at most so far

	// What is kept. Offsets count from the first byte behind the SYN.
	//
	//	base        app, raw              right
	//	 |===========|======|=====.........|====|......
	//	 baseSeq                  known[0]  more
	baseSeq uint32
	segLen  uint32 // length of the segment list
	longest uint32 // bytes of the longest segment so far
	base    uint64 // offset of baseSeq: what is before it is gone
	app     uint64 // what the application layer is done with
	raw     uint64 // what rules have seen
	log     uint64 // what loggers have seen
	keep    uint64 // from where on bytes are held; see Tracker.Keep
	right   uint64 // highest end of a segment

	segHead, segTail uint32
	segMark          uint32 // a segment near which the last one was put; 0 = none

	known    span   // the first contiguous bytes; empty when there are none
	more     uint32 // list of further spans
	moreTail uint32
	moreMark uint32 // one of them, where the last long walk ended; 0 = none
	moreLen  uint32

	main area   // the bytes from base on
	far  uint32 // list of areas far beyond main
}

// span is a range of known bytes.
type span struct {
	off, end uint64
}

// area is memory for the bytes from off to off + size; nothing was written at end or beyond.
type area struct {
	off, end uint64
	size     uint32
	block    mem.Block
}

// Urgent returns how many out-of-band bytes were taken out of what direction d sent.
func (s *Session) Urgent(d flow.Dir) uint16 { return s.urgent[d] }

// Gap reports whether bytes of the stream never came.
func (s *Stream) Gap() bool { return s.Flags&HasGap != 0 }

// DepthReached reports whether the stream is longer than the depth.
func (s *Stream) DepthReached() bool { return s.Flags&DepthReached != 0 }

// Size returns the bytes that the sender has sent by its sequence numbers: the stream_size keyword.
func (s *Stream) Size() uint32 { return s.NextSeq - s.ISN }

// AppProgress returns the offset up to which the application layer is done.
func (s *Stream) AppProgress() uint64 { return s.app }

// RawProgress returns the offset up to which rules have looked.
func (s *Stream) RawProgress() uint64 { return s.raw }

// Base returns the offset of the first byte that is still kept.
func (s *Stream) Base() uint64 { return s.base }

// Right returns the offset of the end of the last segment.
func (s *Stream) Right() uint64 { return s.right }

// Session returns the session of f, or nil.
func (t *Tracker) Session(f *flow.Flow) *Session {
	if f.TCP == 0 {
		return nil
	}
	return t.sessions.At(f.TCP)
}

// Established reports whether the session of f is or was established. It makes its packets established for rules.
func (t *Tracker) Established(f *flow.Flow) bool {
	return f.TCP != 0 && t.sessions.At(f.TCP).State >= Established
}

// StreamSize returns what the stream_size keyword compares: next sequence number minus the initial one.
func (t *Tracker) StreamSize(f *flow.Flow, d flow.Dir) uint32 {
	if f.TCP == 0 {
		return 0
	}
	return t.sessions.At(f.TCP).Stream[d].Size()
}

// hasData reports whether data was ever kept.
func (s *Stream) hasData() bool { return s.base != 0 || s.known.end != s.known.off || s.more != 0 }

// ackedTo returns the offset up to which the receiver has acknowledged.
func (s *Stream) ackedTo() uint64 {
	if s.base == 0 && s.Seen&decode.ACK == 0 {
		return 0 // LastAck is not set yet
	}
	if gt(s.LastAck, s.baseSeq) {
		return s.base + uint64(s.LastAck-s.baseSeq)
	}
	return s.base
}

// offset returns the stream offset of a sequence number, which may lie before the base: then it is negative.
func (s *Stream) offset(seq uint32) int64 { return int64(s.base) + int64(int32(seq-s.baseSeq)) }

// begin sets the initial sequence number.
func (s *Stream) begin(isn uint32) {
	s.ISN = isn
	s.baseSeq = isn + 1
}

// Sequence numbers wrap (RFC 1982 arithmetic).
func lt(a, b uint32) bool { return int32(a-b) < 0 }
func le(a, b uint32) bool { return int32(a-b) <= 0 }
func gt(a, b uint32) bool { return int32(a-b) > 0 }
func ge(a, b uint32) bool { return int32(a-b) >= 0 }
