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

// Source is one ring. It implements capture.Source and Injector. Frames lie in memory that Close takes away.
type Source struct {
	opts Options
	id   *group
	like capture.Frame // what all frames have in common
	poll [1]unix.PollFd

	down   bool // the interface was reported down, and no packet came since
	looked time.Time

	mu   sync.Mutex // guards sock and lost against Stats
	sock *socket    // nil while the interface is gone, and after Close
	lost uint64
	end  bool

	out *sender // to inject
	fwd *sender // to the other interface, when inline

	received, bytes, errors, invalid atomic.Uint64
}

// group is the fanout group that all sources of one Open share.
type group struct {
	mu sync.Mutex
	id uint16
	on bool
}

var (
	_ capture.Source   = (*Source)(nil)
	_ capture.Injector = (*Source)(nil)
)

// maxWait is how long Read waits for a packet, in milliseconds.
const maxWait = 10

// lookEvery is how often an interface that is down is looked for.
const lookEvery = 500 * time.Millisecond

// Open opens one source for each thread. They share the interface's packets out among themselves.
func Open(o Options) ([]capture.Source, error) {
	if err := o.complete(os.Getpagesize()); err != nil {
		return nil, fmt.Errorf("cannot capture on %s: %w", o.Interface, err)
	}
	dev, err := lookup(o.Interface)
	if err != nil {
		return nil, explain(o.Interface, err)
	}
	g := &group{id: o.ClusterID, on: o.Threads > 1 || o.ClusterID != 0}
	all := make([]capture.Source, 0, o.Threads)
	fail := func(err error) ([]capture.Source, error) {
		for _, s := range all {
			s.Close()
		}
		return nil, err
	}
	for q := range o.Threads {
		s := &Source{opts: o, id: g, like: capture.Frame{Iface: o.Index, Queue: uint16(q)}}
		all = append(all, s)
		if s.sock, err = openSocket(&s.opts, dev); err != nil {
			return fail(explain(o.Interface, err))
		}
		if s.out, err = newSender(dev); err != nil {
			return fail(explain(o.Interface, err))
		}
		if o.CopyTo != "" {
			peer, err := lookup(o.CopyTo)
			if err != nil {
				return fail(explain(o.CopyTo, err))
			}
			if s.fwd, err = newSender(peer); err != nil {
				return fail(explain(o.CopyTo, err))
			}
			if err := s.fwd.expect(s.sock.ring.vnet); err != nil {
				return fail(explain(o.CopyTo, err))
			}
			s.like.Flags |= capture.Writable
		}
		s.like.Link = dev.link
		if err := g.enter(s.sock, &s.opts); err != nil {
			return fail(explain(o.Interface, err))
		}
	}
	for _, c := range all {
		s := c.(*Source)
		if err := s.sock.start(&s.opts); err != nil {
			return fail(explain(o.Interface, err))
		}
		s.sock.drops() // whatever was before is not ours
	}
	return all, nil
}

func (g *group) enter(s *socket, o *Options) error {
	if !g.on {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	id, err := s.join(o, g.id)
	if err == nil {
		g.id = id
	}
	return err
}

// Read lends frames out of the ring.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.end {
		return 0, fmt.Errorf("capture on %s is closed", s.opts.Interface)
	}
	if len(batch) == 0 {
		return 0, nil
	}
	if s.sock == nil {
		s.revive()
		return 0, nil
	}
	n := s.take(batch)
	if n == 0 && s.wait() {
		n = s.take(batch)
	}
	if n == 0 {
		if s.down {
			s.revive()
		}
		return 0, nil
	}
	s.down = false
	var size uint64
	for i := range batch[:n] {
		size += uint64(len(batch[i].Data))
	}
	s.received.Add(uint64(n))
	s.bytes.Add(size)
	return n, nil
}

func (s *Source) take(batch []capture.Frame) int {
	n, bad := s.sock.take(batch, &s.like, s.sock.dev.raw)
	if bad > 0 {
		s.invalid.Add(uint64(bad))
	}
	return n
}

// wait returns true when there may be packets.
func (s *Source) wait() bool {
	s.poll[0] = unix.PollFd{Fd: int32(s.sock.fd), Events: unix.POLLIN}
	n, err := unix.Poll(s.poll[:], maxWait)
	if err != nil || n == 0 {
		return false
	}
	if s.poll[0].Revents&unix.POLLERR != 0 {
		// Reading the error clears it. An interface that goes down and comes up again goes on by itself.
		unix.GetsockoptInt(s.sock.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		s.errors.Add(1)
		s.down = true
		time.Sleep(time.Millisecond)
		return true
	}
	// The kernel says yes as long as we hold its last block: do not spin while the engine works on it.
	if s.sock.ring.out > 0 {
		time.Sleep(200 * time.Microsecond)
	}
	return true
}

// revive looks from time to time whether an interface that is down has been replaced by another one of the same
// name, and opens that.
func (s *Source) revive() {
	now := time.Now()
	if now.Sub(s.looked) < lookEvery {
		if s.sock == nil {
			time.Sleep(maxWait / 2 * time.Millisecond)
		}
		return
	}
	s.looked = now
	dev, err := lookup(s.opts.Interface)
	if s.sock != nil {
		if (err == nil && dev.index == s.sock.dev.index) || s.sock.ring.out > 0 {
			return
		}
		s.drop()
	}
	if err != nil {
		return
	}
	// Members of the group that still hang on the old interface make joining fail: next time, then.
	sock, err := openSocket(&s.opts, dev)
	if err != nil {
		return
	}
	if s.id.enter(sock, &s.opts) != nil || sock.start(&s.opts) != nil {
		sock.close()
		return
	}
	sock.drops()
	s.like.Link = dev.link
	s.out.dev = dev
	s.mu.Lock()
	s.sock = sock
	s.mu.Unlock()
}

// drop gives the socket up.
func (s *Source) drop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sock == nil {
		return nil
	}
	s.lost += s.sock.drops()
	err := s.sock.close()
	s.sock = nil
	return err
}

// Release gives the frames back to the kernel, after sending on what is to be sent on.
func (s *Source) Release(batch []capture.Frame) error {
	if s.fwd != nil && s.sock != nil {
		for i := range batch {
			f := &batch[i]
			if f.Verdict == capture.Drop {
				continue
			}
			if err := s.fwd.forward(f, &s.sock.ring); err != nil {
				s.errors.Add(1)
			}
		}
	}
	if s.sock == nil {
		return nil
	}
	for i := range batch {
		s.sock.release(batch[i].Token)
	}
	return nil
}

// Inject sends a frame on the interface.
func (s *Source) Inject(b []byte) error { return s.out.send(b) }

// Stats returns the totals. It may be called from any goroutine.
func (s *Source) Stats() capture.Stats {
	s.mu.Lock()
	if s.sock != nil {
		s.lost += s.sock.drops()
	}
	lost := s.lost
	s.mu.Unlock()
	return capture.Stats{
		Received: s.received.Load(), Bytes: s.bytes.Load(), Dropped: lost,
		Invalid: s.invalid.Load(), Errors: s.errors.Load(),
	}
}

// Close gives the ring back. No frame may be used afterwards.
func (s *Source) Close() error {
	if s.end {
		return nil
	}
	s.end = true
	return errors.Join(s.drop(), s.out.close(), s.fwd.close())
}
