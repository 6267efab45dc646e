package nfqueue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// Source is one queue. Frames lie in memory that Close takes away.
//
//	slots:  [ free | lent … lent | free ]     positions only grow; a slot is its position modulo their number
//	               ^tail         ^head
type Source struct {
	opts  Options
	fd    int
	log   capture.Log
	slots *slots
	known [slotCount]lent
	head  uint64 // position of the next message
	tail  uint64 // of the oldest frame that is lent
	out   int    // frames that are lent
	next  uint32 // identifier that the next packet should have
	begun bool   // next is known
	like  capture.Frame
	send  verdicts
	poll  [1]unix.PollFd
	end   bool
	inj   injector

	tally                                  struct{ accepted, dropped, replaced uint64 }
	refused                                error // the kernel does not take verdicts
	received, bytes, invalid, errors, past atomic.Uint64
	gaps                                   atomic.Uint64 // identifiers that never came

	mu   sync.Mutex // guards over
	over *overruns
}

// lent is what a verdict needs to know of a packet.
type lent struct {
	id, mark uint32
	whole    bool // all of it is in the frame
}

var (
	_ capture.Poller   = (*Source)(nil)
	_ capture.Injector = (*Source)(nil)
)

// maxWait is how long Read waits for a packet, in milliseconds.
const maxWait = 10

// Open opens a source for each queue. log may be nil.
func Open(list []Options, log capture.Log) ([]capture.Source, error) {
	if n := runtime.NumCPU(); len(list) > n && log != nil {
		log.Warnf("using more Netfilter queues than %d available CPU core(s) may degrade performance", n)
	}
	all := make([]capture.Source, 0, len(list))
	for i := range list {
		if log != nil {
			log.Infof("binding this thread %d to queue '%d'", i, list[i].Queue)
		}
		s, err := open(list[i], log)
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			return nil, explain(list[i].Queue, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func open(o Options, log capture.Log) (*Source, error) {
	if o.Length == 0 {
		o.Length = DefaultLength
	}
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	if o.Batch == 0 {
		o.Batch = slotCount
	}
	mem, err := newSlots()
	if err != nil {
		return nil, fmt.Errorf("memory for packets: %w", err)
	}
	s := &Source{opts: o, log: log, slots: mem, fd: -1,
		like: capture.Frame{Link: capture.LinkUserNFQ, Iface: o.Index, Queue: o.Queue, Flags: capture.Writable | capture.Markable},
		send: verdicts{buf: make([]byte, 0, sendSize), queue: o.Queue, limit: o.Batch}}
	s.inj.open(&o, log)
	var port uint32
	if s.fd, port, err = openSocket(&s.opts, log); err != nil {
		return nil, errors.Join(err, s.inj.close(), mem.close())
	}
	s.over = openOverruns(o.Queue, port)
	return s, nil
}

// Read lends packets that wait in the queue.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.Poll(batch)
	if n > 0 || err != nil || len(batch) == 0 {
		return n, err
	}
	if s.out > 0 && s.free() == 0 {
		time.Sleep(200 * time.Microsecond) // the engine holds all that there is room for
		return 0, nil
	}
	s.poll[0] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
	if n, err := unix.Poll(s.poll[:], maxWait); err != nil || n == 0 {
		return 0, nil
	}
	return s.Poll(batch)
}

// Descriptor is readable when packets wait.
func (s *Source) Descriptor() int { return s.fd }

// free says how many slots are free from head on.
func (s *Source) free() int {
	return min(slotCount-int(s.head-s.tail), slotCount-int(s.head%slotCount))
}

// Poll lends packets that wait in the queue, and does not wait for any.
func (s *Source) Poll(batch []capture.Frame) (int, error) {
	if s.end {
		return 0, fmt.Errorf("queue %d is closed", s.opts.Queue)
	}
	if s.refused != nil {
		return 0, s.refused
	}
	if s.out == 0 {
		s.head, s.tail = 0, 0 // the slots that were used last are in the cache
	}
	room := min(len(batch), s.free())
	if room == 0 {
		return 0, nil
	}
	first := int(s.head % slotCount)
	got, errno := s.slots.receive(s.fd, first, room)
	switch errno {
	case 0:
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	case unix.ENOBUFS:
		return 0, nil // the queue counts what was lost
	default:
		s.errors.Add(1)
		return 0, fmt.Errorf("cannot read queue %d: %w", s.opts.Queue, errno)
	}
	n := 0
	var size uint64
	var now int64
	for i := range got {
		f := &batch[n]
		if !s.take(f, first+i) {
			continue
		}
		if f.Time == 0 {
			if now == 0 {
				now = time.Now().UnixNano() // once a batch
			}
			f.Time = now
		}
		f.Token = s.head + uint64(i)
		size += uint64(len(f.Data))
		n++
	}
	s.head += uint64(got)
	s.out += n
	s.received.Add(uint64(n))
	s.bytes.Add(size)
	if len(s.send.buf) > 0 {
		s.flush()
	}
	return n, nil
}

// take makes a frame of a slot. It returns false when there is none for the engine.
func (s *Source) take(f *capture.Frame, slot int) bool {
	b, short := s.slots.message(slot)
	var p packet
	for range 4 { // the kernel sends one message at a time
		typ, body, rest, ok := next(b)
		if !ok {
			return false
		}
		if typ == typeError {
			s.failed(failure(body))
		}
		if typ == typePacket {
			if !p.parse(body) {
				s.invalid.Add(1)
				return false
			}
			break
		}
		b = rest
	}
	if s.begun {
		if gap := p.id - s.next; gap < 1<<31 {
			s.gaps.Add(uint64(gap))
		}
	}
	s.begun, s.next = true, p.id+1
	if s.opts.judged(p.mark) {
		s.past.Add(1)
		s.pass(p.id)
		return false
	}
	if len(p.payload) == 0 || short {
		// The engine cannot judge it: it goes the way that others go when the engine cannot.
		s.invalid.Add(1)
		s.alone(p.id, s.opts.unseen())
		return false
	}
	s.known[slot] = lent{p.id, p.mark, p.full == 0}
	*f = s.like
	f.Data, f.Time, f.WireLen = p.payload, p.time, uint32(len(p.payload))
	f.Flags |= p.flags
	f.VLAN[0] = p.vlan
	if p.full > f.WireLen {
		f.WireLen = p.full
		f.Flags |= capture.Truncated
	}
	return true
}

// unseen is the decision on a packet that cannot be shown to the engine.
func (o *Options) unseen() decision {
	if o.FailOpen {
		return o.decide(capture.Accept, 0)
	}
	return decision{verdict: nfDrop}
}

// pass accepts a packet that was judged before.
func (s *Source) pass(id uint32) { s.alone(id, decision{verdict: nfAccept}) }

// alone decides on one packet while others with lower identifiers may wait.
func (s *Source) alone(id uint32, d decision) {
	if s.send.full(0) {
		s.flush()
	}
	s.send.add(id, d)
	s.send.close()
}

// failed takes note of an error that the kernel reports about a verdict.
func (s *Source) failed(e int32) {
	if e >= 0 || e < -4096 {
		return
	}
	s.errors.Add(1)
	// Without an entry the packet is gone already: its interface was taken down, or the rules were flushed.
	if errno := unix.Errno(-e); errno == unix.EPERM {
		s.refused = fmt.Errorf("the kernel takes no verdicts for queue %d: the capability CAP_NET_ADMIN is missing: %w", s.opts.Queue, errno)
	}
}

// Release sends the verdicts: those of the whole batch at once.
func (s *Source) Release(batch []capture.Frame) error {
	if len(batch) == 0 || s.end {
		return nil
	}
	for i := range batch {
		f := &batch[i]
		k := &s.known[f.Token%slotCount]
		d := s.opts.judge(f, k.mark)
		if f.Verdict == capture.Drop {
			s.tally.dropped++
		} else {
			s.tally.accepted++
		}
		if f.Verdict == capture.Modified && k.whole && len(f.Data) > 0 && len(f.Data) < 1<<16-attrLen {
			if s.send.full(len(f.Data)) {
				s.flush()
			}
			s.send.addPayload(k.id, d, f.Data)
			s.tally.replaced++
			continue
		}
		if s.send.full(0) {
			s.flush()
		}
		s.send.add(k.id, d)
	}
	s.tail = batch[len(batch)-1].Token + 1
	s.out -= len(batch)
	return s.flush()
}

// flush sends what is gathered.
func (s *Source) flush() error {
	s.send.close()
	b := s.send.buf
	s.send.buf = b[:0]
	if len(b) == 0 {
		return nil
	}
	var errno unix.Errno
	for range 4 { // a signal, or no memory now
		if errno = send(s.fd, b); errno == 0 {
			return nil
		}
		if errno != unix.EINTR && errno != unix.ENOBUFS && errno != unix.ENOMEM && errno != unix.EAGAIN {
			break
		}
	}
	s.errors.Add(1)
	return fmt.Errorf("cannot send verdicts for queue %d: %w", s.opts.Queue, errno)
}

// Inject sends an IP packet of this host's own.
func (s *Source) Inject(b []byte) error { return s.inj.send(b) }

// Stats returns the totals. It may be called from any goroutine. Dropped are packets that found the queue or the socket full; with
// fail-open those of a full socket have passed. (Those that pass a full queue are not counted by the kernel.)
func (s *Source) Stats() capture.Stats {
	s.mu.Lock()
	lost, counted := s.over.read(), s.over.known
	s.mu.Unlock()
	if gaps := s.gaps.Load(); s.opts.FailOpen || !counted {
		lost += gaps
	}
	return capture.Stats{Received: s.received.Load(), Bytes: s.bytes.Load(), Dropped: lost, Bypassed: s.past.Load(),
		Invalid: s.invalid.Load(), Errors: s.errors.Load()}
}

// Close gives the queue up. Packets that still wait in it are dropped by the kernel, with fail-open they pass.
func (s *Source) Close() error {
	if s.end {
		return nil
	}
	s.mu.Lock()
	s.over.read()
	s.mu.Unlock()
	if s.opts.FailOpen && s.begun {
		// All identifiers up to half the circle ahead.
		s.send.count, s.send.run, s.send.last = 2, s.opts.decide(capture.Accept, 0), s.next+1<<30
		if s.opts.Mode != ModeAccept {
			s.send.run = decision{verdict: nfAccept}
		}
		s.flush()
	}
	s.end = true
	if s.log != nil {
		s.log.Infof("(RX-NFQ#%d) Treated: Pkts %d, Bytes %d, Errors %d", s.opts.Queue, s.received.Load(), s.bytes.Load(), s.errors.Load())
		s.log.Infof("(RX-NFQ#%d) Verdict: Accepted %d, Dropped %d, Replaced %d", s.opts.Queue, s.tally.accepted, s.tally.dropped, s.tally.replaced)
	}
	b := command(nil, commandUnbind)
	_ = unix.Send(s.fd, finish(append(message(nil, typeConfig, 0, s.opts.Queue), b...), 0), 0)
	s.mu.Lock()
	err := s.over.close()
	s.mu.Unlock()
	err = errors.Join(err, unix.Close(s.fd), s.inj.close(), s.slots.close())
	s.fd = -1
	return err
}
