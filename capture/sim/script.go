package sim

import (
	"time"

	"sentinel/capture"
)

// Step is one thing that happens on the simulated wire.
type Step struct {
	kind  kind
	frame capture.Frame
	n     uint64
	err   error
	gate  <-chan struct{}
	do    func()
}

type kind uint8

const (
	packet kind = iota
	idle
	lose
	broken
	fail
	hold
	drain
	do
)

// Packet is an Ethernet frame at a time in nanoseconds since 1970. The bytes are copied each time they are lent.
func Packet(data []byte, at int64) Step {
	return Frame(capture.Frame{Data: data, Time: at, Link: capture.LinkEthernet})
}

// Frame is a packet of which the script decides all fields, but Token. WireLen is at least the length of Data.
func Frame(f capture.Frame) Step { return Step{kind: packet, frame: f} }

// Idle is a time without packets. Read returns nothing once for every 10 ms of it, and the source's clock goes on.
func Idle(d time.Duration) Step { return Step{kind: idle, n: uint64(max(d, 0))} }

// Lose counts n packets as dropped before the engine could see them.
func Lose(n uint64) Step { return Step{kind: lose, n: n} }

// Broken counts n packets as invalid.
func Broken(n uint64) Step { return Step{kind: broken, n: n} }

// Fail ends the source with an error.
func Fail(err error) Step { return Step{kind: fail, err: err} }

// Hold keeps packets back until the channel is closed: Read returns nothing.
func Hold(gate <-chan struct{}) Step { return Step{kind: hold, gate: gate} }

// Drain keeps packets back until all frames lent so far are released.
func Drain() Step { return Step{kind: drain} }

// Do calls f inside of Read, on the goroutine that reads.
func Do(f func()) Step { return Step{kind: do, do: f} }
