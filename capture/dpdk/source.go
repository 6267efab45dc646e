//go:build dpdk && cgo

package dpdk

/*
#cgo noescape sn_receive
#cgo nocallback sn_receive
#cgo noescape sn_return
#cgo nocallback sn_return
#cgo noescape sn_inject
#cgo nocallback sn_inject
#cgo noescape sn_wait
#cgo nocallback sn_wait
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"sentinel/capture"
)

// Source is one queue or inbox of a port. Frames lie in buffers of the port's pools until Release.
type Source struct {
	port *port
	lane *C.sn_lane
	n    int
	like capture.Frame // what all frames have in common
	ips  bool
	tap  bool
	cpu  int // it is read best on; -1 = any
	pin  pin
	log  capture.Log
	gone bool // a removal was told

	received, bytes, errors atomic.Uint64
	idle                    atomic.Bool // the last look found nothing

	mu    sync.Mutex // guards lane against Stats, in Close
	end   bool
	final capture.Stats
	last  [8]capture.Count // as Counts last told them
}

var (
	_ capture.Source   = (*Source)(nil)
	_ capture.Injector = (*Source)(nil)
	_ capture.Poller   = (*Source)(nil)
	_ capture.Emptier  = (*Source)(nil)
	_ capture.Counted  = (*Source)(nil)
)

// maxWait is how long Read waits for a packet, in microseconds: a little less than the 10 ms that it may.
const maxWait = 9500

// sources makes the sources of a port that was set up.
func (h *port) sources(t *capture.Target, where Placement) ([]capture.Source, error) {
	p, s := h.plan, h.set
	for _, w := range where.Why {
		t.Log.Infof("%s: %s", s.Name, w)
	}
	for _, w := range where.Warnings {
		t.Log.Warnf("%s: %s", s.Name, w)
	}
	h.lanes = p.Lanes
	all := make([]capture.Source, 0, p.Lanes)
	for i := range p.Lanes {
		l := C.sn_lane_new(h.c, C.uint16_t(i))
		if l == nil {
			h.lanes = len(all)
			for _, s := range all {
				s.Close()
			}
			return nil, fmt.Errorf("dpdk interface %s: no memory for a source", s.Name)
		}
		src := &Source{port: h, lane: l, n: i, cpu: -1, log: t.Log, ips: s.CopyMode == "ips", tap: s.CopyMode == "tap"}
		src.like = capture.Frame{Link: capture.LinkEthernet, Iface: t.Index, Queue: uint16(i)}
		if src.ips || src.tap {
			src.like.Flags |= capture.Writable
		}
		if !s.Checksums {
			src.like.Flags |= capture.ChecksumOK
		}
		if i < len(where.CPUs) {
			src.cpu = where.CPUs[i]
		}
		src.pin.wanted = where.Pin
		if s.Interrupt && p.Inbox == 0 {
			if r := C.sn_lane_arm(l); r != 0 {
				t.Log.Warnf("%s: queue %d has no interrupt (%s): polling instead", s.Name, i, C.GoString(C.sn_strerror(r)))
			}
		}
		all = append(all, src)
	}
	// Frames that came while the port was set up stay in its queues; the two sides of a wire find each other when both are open.
	h.join()
	return all, nil
}

// join makes the lanes of two ports that copy to each other send on.
func (h *port) join() {
	h.open = true
	peer := env.ports[h.set.CopyTo]
	if h.set.CopyMode == "none" || peer == nil || peer.lanes == 0 {
		return
	}
	h.peer, peer.peer = peer, h
}

// Read lends frames. Without any it first spins, then sleeps shortly, and returns after 10 ms.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if err := ctx.Err(); err != nil {
		s.pin.leave()
		return 0, err
	}
	if s.end {
		return 0, errors.New("capture on " + s.port.name + " is closed")
	}
	if len(batch) == 0 {
		return 0, nil
	}
	if s.pin.wanted && !s.pin.done {
		s.pin.take(s.cpu)
	}
	if s.lane.epoll < 0 {
		return s.receive(batch, maxWait), nil
	}
	n := s.receive(batch, 0)
	if n == 0 && C.sn_wait(s.lane, 0) >= 0 {
		if n = s.receive(batch, 0); n == 0 {
			C.sn_wait(s.lane, maxWait/1000)
			n = s.receive(batch, 0)
		}
	}
	return n, nil
}

// Poll lends frames that are there.
func (s *Source) Poll(batch []capture.Frame) (int, error) {
	if s.end {
		return 0, errors.New("capture on " + s.port.name + " is closed")
	}
	if len(batch) == 0 {
		return 0, nil
	}
	n := s.receive(batch, 0)
	if n == 0 && s.lane.epoll >= 0 {
		C.sn_wait(s.lane, 0) // from now on the descriptor tells
		n = s.receive(batch, 0)
	}
	return n, nil
}

// Emptied reports whether the last Read or Poll has taken all that the port had.
func (s *Source) Emptied() bool { return s.end || s.lane.emptied != 0 }

// Descriptor is that of the queue's interrupt in interrupt mode, else -1.
func (s *Source) Descriptor() int {
	if s.end {
		return -1
	}
	return int(s.lane.epoll)
}

// CPU is the core that the source is best read on, or -1.
func (s *Source) CPU() int { return s.cpu }

func (s *Source) receive(batch []capture.Frame, wait int) int {
	n := int(C.sn_receive(s.lane, C.int(min(len(batch), C.SN_MAX)), C.int(wait)))
	if s.idle.Load() != (n == 0) {
		s.idle.Store(n == 0)
	}
	if n == 0 {
		if C.sn_port_removed(s.port.c) != 0 {
			s.removed()
		}
		return 0
	}
	s.gone = false
	now := int64(s.lane.now)
	var size uint64
	for i := range n {
		c, f := &s.lane.in[i], &batch[i]
		*f = s.like
		f.Data = unsafe.Slice((*byte)(c.data), int(c.len))
		f.Time, f.WireLen, f.Token = now, uint32(c.len), uint64(c.token)
		f.VLAN = [2]uint16{uint16(c.vlan[0]), uint16(c.vlan[1])}
		size += uint64(c.len)
		if c.flags == 0 {
			continue
		}
		if c.flags&C.SN_HASH != 0 {
			f.Hash = uint32(c.hash)
			f.Flags |= capture.HashValid
		}
		if s.like.Flags&capture.ChecksumOK == 0 {
			switch {
			case c.flags&C.SN_CSUM_GOOD != 0:
				f.Flags |= capture.ChecksumOK
			case c.flags&C.SN_CSUM_BAD != 0:
				f.Flags |= capture.ChecksumBad
			}
		}
	}
	s.received.Add(uint64(n))
	s.bytes.Add(size)
	return n
}

// removed tells once that the port was unplugged. The source lives on without frames: the engine's other sources must not suffer.
func (s *Source) removed() {
	if !s.gone {
		s.gone = true
		s.errors.Add(1)
		s.log.Warnf("%s: the port was unplugged: queue %d gets no more frames", s.port.name, s.n)
	}
}

// Release sends on what is to be sent on and gives the rest back to the pool.
func (s *Source) Release(batch []capture.Frame) error {
	if s.end {
		return nil
	}
	if (s.ips || s.tap) && s.lane.peer == nil {
		if p := s.port.peer; p != nil {
			C.sn_lane_peer(s.lane, p.c)
		}
	}
	for len(batch) > 0 {
		n := min(len(batch), C.SN_MAX)
		for i := range n {
			o, f := &s.lane.out[i], &batch[i]
			o.token = C.uint64_t(f.Token)
			switch {
			case !s.ips && !s.tap, s.ips && f.Verdict == capture.Drop:
				o.fate = C.SN_FREE
			case f.Verdict == capture.Modified:
				o.fate = C.SN_SEND_CHANGED
			default:
				o.fate = C.SN_SEND
			}
		}
		C.sn_return(s.lane, C.int(n))
		batch = batch[n:]
	}
	return nil
}

// Inject sends a frame on the port.
func (s *Source) Inject(b []byte) error {
	if s.end || len(b) == 0 {
		return errors.New("nothing to send, or closed")
	}
	const unsupported = -95
	switch r := C.sn_inject(s.lane, unsafe.Pointer(&b[0]), C.uint32_t(len(b))); {
	case r == unsupported:
		return fmt.Errorf("%s has no transmit queue: set tx-descriptors", s.port.name)
	case r != 0:
		return fmt.Errorf("%s: cannot send: %s", s.port.name, C.GoString(C.sn_strerror(r)))
	}
	return nil
}

// Stats returns the totals. It may be called from any goroutine. The port counts its losses for all queues together: they are with the
// first source.
func (s *Source) Stats() capture.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end {
		return s.final
	}
	return s.stats(false)
}

func (s *Source) stats(fresh bool) capture.Stats {
	st := capture.Stats{Received: s.received.Load(), Bytes: s.bytes.Load(), Errors: s.errors.Load()}
	st.Errors += load(&s.lane.unsent) + load(&s.lane.errors)
	st.Invalid = load(&s.lane.invalid)
	st.Dropped = uint64(C.sn_port_inbox_full(s.port.c, C.int(s.n)))
	if s.n == 0 {
		st.Dropped += s.port.losses(fresh || s.idle.Load()) // when all is quiet the counts must add up
	}
	return st
}

func load(at *C.uint64_t) uint64 { return atomic.LoadUint64((*uint64)(unsafe.Pointer(at))) }

// Close takes the source away, and stops the port with its last one. No frame may be used afterwards.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end {
		return nil
	}
	s.final = s.stats(true)
	s.counts(false)
	s.end = true
	env.mu.Lock()
	defer env.mu.Unlock()
	C.sn_lane_free(s.lane)
	s.lane = nil
	return s.port.leave(s.log)
}
