// Package tcp follows TCP sessions: the state machine, and one reassembler with an IDS and an inline mode.
//
// Data goes up in order, each byte once per consumer: to the application layer through App, to rules through Raw. In IDS mode
// that is when the receiver has acknowledged it, inline at once. A Tracker belongs to one goroutine. The package knows
// nothing of protocols, rules or output.
package tcp

import (
	"sentinel/decode"
	"sentinel/stream/flow"
)

// App takes the data of the streams. The stream engine implements it.
type App interface {
	// Data offers the contiguous bytes at stream offset off (0 = first byte behind the SYN). It returns how many it is done
	// with, at most len(data): the rest is offered again, together with more. need > 0 asks to wait until at least that
	// many bytes are there (counted from the first that was not consumed). The slice is lent for the call. At the end of
	// the stream Data is called once with eof set, maybe without data.
	Data(u *Context, d flow.Dir, data []byte, off uint64, eof bool) (consumed, need int)
	// Gap reports n bytes at off that never came. It returns false when this direction is not to be offered any more.
	Gap(u *Context, d flow.Dir, off uint64, n uint64) bool
}

// Context is the packet that brought the data. Packet is nil or a pseudo packet at the end of a flow.
type Context struct {
	Packet *decode.Packet
	Flow   *flow.Flow
	Dir    flow.Dir // of the packet; data of the other direction may be handed up, as an ACK releases it
	Now    int64
	User   any // the stream engine's own
}
