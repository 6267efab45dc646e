package afpacket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// Source is one socket with its memory. It implements capture.Poller and Injector. Frames lie in memory that Close takes away.
type Source struct {
	opts  *Options
	group *group
	index int
	like  capture.Frame // what all frames have in common
	poll  [1]unix.PollFd

	down bool // the interface was reported down, and nobody has seen it up since

	mu   sync.Mutex // guards sock and lost against Stats
	sock *socket    // nil while the interface is gone, and after Close
	lost uint64
	end  bool

	out *sender // to inject
	fwd *sender // to the other interface, when inline

	received, bytes, errors, invalid, unsent atomic.Uint64
	polls                                    polls
}

var (
	_ capture.Poller   = (*Source)(nil)
	_ capture.Injector = (*Source)(nil)
)

// maxWait is how long Read waits for a packet, in milliseconds.
const maxWait = 10

// Open opens one source for each thread. They share the interface's packets out among themselves.
func Open(o Options) ([]capture.Source, error) {
	if err := o.complete(os.Getpagesize()); err != nil {
		return nil, fmt.Errorf("cannot capture on %s: %w", o.Interface, err)
	}
	dev, err := lookup(o.Interface, o.Cooked)
	if err != nil {
		return nil, explain(o.Interface, err)
	}
	g, err := newGroup(&o)
	if err != nil {
		return nil, explain(o.Interface, err)
	}
	// Before the sockets: some cards are reset when their features change.
	if g.nic, err = inspect(&o); err != nil {
		return nil, explain(o.Interface, err)
	}
	all := make([]capture.Source, 0, o.Threads)
	fail := func(name string, err error) ([]capture.Source, error) {
		for _, s := range all {
			s.Close()
		}
		if len(all) == 0 {
			g.lb.close()
			g.filter.close()
			g.nic.restore(&o)
		}
		return nil, explain(name, err)
	}
	var peer device
	if o.CopyTo != "" {
		if peer, err = lookup(o.CopyTo, false); err != nil {
			return fail(o.CopyTo, err)
		}
	}
	socks, err := g.begin(dev)
	if err != nil {
		return fail(o.Interface, err)
	}
	for q, sock := range socks {
		s := &Source{opts: &o, group: g, index: q, sock: sock, like: capture.Frame{Iface: o.Index, Queue: uint16(q), Link: dev.link}}
		g.open[q], g.has[q] = true, true
		all = append(all, s)
		if o.Checksums == ChecksumsNo {
			s.like.Flags |= capture.ChecksumOK
		}
		if o.CopyTo != "" && !o.Tap {
			s.like.Flags |= capture.Writable
		}
	}
	for _, c := range all {
		s := c.(*Source)
		if s.out, err = newSender(o.Interface, dev); err != nil {
			return fail(o.Interface, err)
		}
		if o.CopyTo == "" {
			continue
		}
		if s.fwd, err = newSender(o.CopyTo, peer); err == nil {
			err = s.fwd.expect(s.sock.vnet)
		}
		if err != nil {
			return fail(o.CopyTo, err)
		}
	}
	g.report(socks[0], Queues(o.Interface))
	return all, nil
}

// Read lends frames out of the ring.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.end {
		return 0, s.closed()
	}
	if len(batch) == 0 {
		return 0, nil
	}
	if s.sock == nil {
		if !s.revive() {
			time.Sleep(maxWait / 2 * time.Millisecond)
		}
		return 0, nil
	}
	n := s.take(batch)
	if n == 0 && s.wait(maxWait) {
		n = s.take(batch)
	}
	if n == 0 && s.down {
		s.revive()
	}
	return n, nil
}

func (s *Source) closed() error { return fmt.Errorf("capture on %s is closed", s.opts.Interface) }

// Poll lends what is in the ring now.
func (s *Source) Poll(batch []capture.Frame) (int, error) {
	if s.end {
		return 0, s.closed()
	}
	if s.sock == nil {
		s.revive()
		return 0, nil
	}
	n := s.take(batch)
	if n == 0 {
		if s.wait(0); s.down {
			s.revive()
		}
	}
	return n, nil
}

// Descriptor is the socket, -1 while the interface is gone. It is readable too while the engine holds the last frames that came.
func (s *Source) Descriptor() int {
	if s.sock == nil {
		return -1
	}
	return s.sock.fd
}

func (s *Source) take(batch []capture.Frame) int {
	k := s.sock
	n := k.rx.take(batch, &s.like)
	if k.bad|k.cut != 0 || k.losing || k.failed {
		s.mishap()
	}
	if n == 0 {
		return 0
	}
	k.took += uint64(n)
	var size uint64
	for i := range batch[:n] {
		size += uint64(len(batch[i].Data))
	}
	s.received.Add(uint64(n))
	s.bytes.Add(size)
	return n
}

// mishap counts what a take found wrong.
func (s *Source) mishap() {
	k := s.sock
	if k.failed {
		k.failed = false
		s.errors.Add(1)
		s.down = true
	}
	s.invalid.Add(k.bad)
	k.took += k.bad + k.cut
	s.mu.Lock()
	s.lost += k.cut
	s.mu.Unlock()
	k.bad, k.cut = 0, 0
	losing := k.losing
	k.losing = false
	if losing && s.opts.Flush {
		s.flush()
	}
}

// flush gives the ring back uninspected, so that what comes now is seen soon. What it takes counts as lost.
func (s *Source) flush() {
	k := s.sock
	var batch [64]capture.Frame
	thrown := uint64(0)
	for range maxPackets / len(batch) {
		n := k.rx.take(batch[:], &s.like)
		if n == 0 {
			break
		}
		k.rx.release(batch[:n])
		thrown += uint64(n)
	}
	k.losing = false
	k.took += thrown + k.bad
	s.mu.Lock()
	s.lost += thrown + k.drops() // asking makes the kernel forget them, and so that it was losing
	s.mu.Unlock()
}

// wait returns true when there may be packets.
func (s *Source) wait(ms int) bool {
	s.poll[0] = unix.PollFd{Fd: int32(s.sock.fd), Events: unix.POLLIN}
	n, err := unix.Poll(s.poll[:], ms)
	s.polls.note(n, err, s.poll[0].Revents)
	if err != nil || n == 0 {
		if s.group.gone.Load() {
			s.down = true
		}
		return false
	}
	if s.poll[0].Revents&unix.POLLERR != 0 {
		// Reading the error clears it. An interface that goes down and comes up again goes on by itself.
		unix.GetsockoptInt(s.sock.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		s.errors.Add(1)
		s.down = true
		if ms > 0 {
			time.Sleep(time.Millisecond)
		}
		return true
	}
	// The kernel says yes as long as we hold the last block or slot: do not spin while the engine works on it.
	if ms > 0 && s.sock.rx.held() > 0 {
		time.Sleep(200 * time.Microsecond)
	}
	return true
}

// revive looks after an interface that is down: perhaps it has been replaced by another one of the same name. It reports
// whether the source has a socket.
func (s *Source) revive() bool {
	if s.group.watch() {
		s.down = false
	}
	if s.sock != nil {
		if s.group.gone.Load() && s.sock.rx.held() == 0 {
			s.drop(true)
			s.group.gaveUp(s.index)
		}
		return s.sock != nil
	}
	sock := s.group.fetch(s.index)
	if sock == nil {
		return false
	}
	s.like.Link = sock.dev.link
	s.out.aim(sock.dev)
	s.mu.Lock()
	s.sock = sock
	s.mu.Unlock()
	return true
}

// drop gives the socket up. What it still had counts as lost when it is the interface that went away.
func (s *Source) drop(gone bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sock == nil {
		return nil
	}
	s.lost += s.sock.drops()
	if gone {
		s.lost += s.sock.unread()
	}
	err := s.sock.close()
	s.sock = nil
	return err
}

// Release gives the frames back to the kernel, after sending on what is to be sent on.
func (s *Source) Release(batch []capture.Frame) error {
	if s.sock == nil {
		return nil
	}
	if s.fwd != nil {
		s.forward(batch)
	}
	s.sock.rx.release(batch)
	return nil
}

// forward sends the frames that are not to be dropped.
func (s *Source) forward(batch []capture.Frame) {
	unsent := 0
	for i := range batch {
		f := &batch[i]
		if f.Verdict == capture.Drop && !s.opts.Tap {
			continue
		}
		if s.fwd.full() {
			unsent += s.fwd.flush()
		}
		b, tpid := s.sock.rx.whole(f)
		if b == nil || !s.fwd.add(b, f, tpid) {
			unsent++
		}
	}
	if unsent += s.fwd.flush(); unsent > 0 {
		s.unsent.Add(uint64(unsent))
	}
}

// Inject sends a frame on the interface.
func (s *Source) Inject(b []byte) error { return s.out.send(b) }

// Unsent is how many frames were to be sent on and could not be.
func (s *Source) Unsent() uint64 { return s.unsent.Load() }

// Stats returns the totals. It may be called from any goroutine. Errors has the frames that could not be sent on, too.
func (s *Source) Stats() capture.Stats {
	s.mu.Lock()
	if s.sock != nil {
		s.lost += s.sock.drops()
	}
	lost := s.lost
	s.mu.Unlock()
	return capture.Stats{
		Received: s.received.Load(), Bytes: s.bytes.Load(), Dropped: lost,
		Invalid: s.invalid.Load(), Errors: s.errors.Load() + s.unsent.Load(),
	}
}

// Close gives the ring back. No frame may be used afterwards.
func (s *Source) Close() error {
	if s.end {
		return nil
	}
	s.end = true
	err := errors.Join(s.drop(false), s.out.close(), s.fwd.close())
	s.group.leave(s.index)
	return err
}
