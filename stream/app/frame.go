package app

import "strings"

// StreamFrame is the type of the frame "stream", which every protocol over TCP has: the engine opens it with the first data of
// a direction, and it ends where the direction does.
const StreamFrame = 63

// StreamFrameName is its name in rules and events.
const StreamFrameName = "stream"

// Frame is a run of bytes of one direction that means something to its protocol: a message, a header, a line. The first
// group is the protocol's, the second is the engine's.
type Frame struct {
	Off  uint64 // of its first byte in the stream; in the datagram over UDP
	Len  int64  // < 0: its end is not known yet
	Tx   uint64 // id of the transaction that it belongs to; 0 = none
	Type uint8  // index into Protocol.Frames, or StreamFrame

	ID     uint64 // counts the frames of the direction, from 1
	Seen   uint64 // how many of its bytes rules have seen
	Logged bool
}

// SetLen says where an open frame ends. f may be nil: nobody wants the frame.
func (f *Frame) SetLen(n int64) {
	if f != nil && n >= 0 {
		f.Len = n
	}
}

// SetTx says to which transaction the frame belongs. f may be nil: nobody wants the frame.
func (f *Frame) SetTx(id uint64) {
	if f != nil {
		f.Tx = id
	}
}

// Frame is the type of the frame of a name, which is compared without case.
func (p *Protocol) Frame(name string) (t uint8, ok bool) {
	for i, n := range p.Frames {
		if strings.EqualFold(n, name) {
			return uint8(i), true
		}
	}
	if strings.EqualFold(name, StreamFrameName) && p.Transport&TCP != 0 {
		return StreamFrame, true
	}
	return 0, false
}

// FrameName is the name of a type of frames, without the protocol's.
func (p *Protocol) FrameName(t uint8) string {
	switch {
	case int(t) < len(p.Frames):
		return p.Frames[t]
	case t == StreamFrame:
		return StreamFrameName
	}
	return ""
}
