package afxdp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/capture/filter"
	"sentinel/internal/xdp"
)

// Source is the sockets of one or more receive queues. It implements capture.Poller and capture.Injector. Frames lie in memory that
// Close takes away.
type Source struct {
	opts   *Options
	wire   *wire
	in     []*port
	out    []*port // of the other interface, when inline
	number int     // of this source
	all    int     // sources of the interface
	lent   int     // frames

	symmetric bool

	turn sync.Mutex // held by each method that touches frames, so that Close may come from elsewhere
	like capture.Frame
	last int64 // time of the last batch
	at   int   // port to begin with
	poll []unix.PollFd
	keep func(*capture.Frame) bool

	joints []joint
	idle   []int32 // joints that are not lent

	mu    sync.Mutex // guards end and the sockets against Stats
	end   bool
	lost  uint64
	epoll int

	quiet  uint // reads of nothing
	gone   bool // the interface was taken away
	looked time.Time

	prog    *xdp.Program
	promisc int
	knobs   []*knob

	received, bytes, errors, invalid atomic.Uint64

	polls, timeouts, failed, empty atomic.Uint64 // waits, those that brought nothing, those that went wrong, reads of nothing
}

var (
	_ capture.Poller   = (*Source)(nil)
	_ capture.Injector = (*Source)(nil)
	_ capture.Counted  = (*Source)(nil)
)

// maxWait is how long Read waits for a packet, in milliseconds.
const maxWait = 10

// maxJoints bounds the frames out of several chunks that are lent at a time. Each takes memory only once it was needed.
const maxJoints = 512

// A token has a place in the memory, above it the number of the port, and above that whether the place is that of a joint.
const (
	tokenPort  = 40
	tokenJoint = 1 << 63
)

// Open opens the sources of an interface: at most as many as it has receive queues, each of which belongs to one source.
//
// Inline, sources of both interfaces share sockets: the options of the interface that is opened first decide how.
func Open(o Options) (_ []capture.Source, err error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("cannot capture on %s: %w", o.Interface, err)
	}
	var ends [2]device
	if ends[0], err = lookup(o.Interface); err != nil {
		return nil, err
	}
	n := min(o.Threads, ends[0].queues)
	if o.CopyTo != "" {
		if ends[1], err = lookup(o.CopyTo); err != nil {
			return nil, err
		}
		n = min(n, ends[1].queues)
	}
	if o.frames == 0 {
		o.frames = framesFor((ends[0].queues + n - 1) / n)
	}
	if o.Threads > n {
		o.Log.Infof("%s: %d sources instead of %d: there are no more receive queues", o.Interface, n, o.Threads)
	}
	prog, err := share(&o, ends[0])
	if err != nil {
		return nil, err
	}
	defer prog.Close() // each source has a share of its own
	side := 1
	wires := claim(&o)
	if wires != nil {
		o.Log.Infof("%s: the other end of %s: %d receive queues, read by %d sources; XDP in %s mode", o.Interface, o.CopyTo, ends[0].queues, len(wires), prog.Mode())
	} else {
		side = 0
		if wires, err = o.connect(ends, n, prog); err != nil {
			return nil, err
		}
	}
	all := make([]capture.Source, 0, len(wires))
	same := len(wires) == 1 || symmetricRSS(ends[0])
	if !same {
		o.Log.Warnf("%s: both directions of a flow may come from different receive queues, and so to different workers: "+
			"set a symmetric hash (ethtool -X), or one queue (ethtool -L), or threads: 1, or --runmode autofp", o.Interface)
	}
	var failed error
	for i, w := range wires {
		s, err := newSource(&o, w, side, i, len(wires))
		if err != nil {
			failed = errors.Join(failed, err)
			w.leave()
			continue
		}
		s.symmetric = same
		all = append(all, s)
	}
	if failed == nil {
		// Frames come from here on.
		for _, s := range all {
			failed = errors.Join(failed, s.(*Source).start())
		}
	}
	if failed != nil {
		for _, s := range all {
			_ = s.Close()
		}
		return nil, failed
	}
	return all, nil
}

// share puts the program on the interface, or joins its other users.
func share(o *Options, d device) (*xdp.Program, error) {
	return xdp.Share(xdp.Options{Interface: d.name, Mode: [...]xdp.Mode{xdp.Auto, xdp.Native, xdp.Generic}[o.XDP], Sockets: d.queues})
}

// connect makes the sockets, and says how.
func (o *Options) connect(ends [2]device, n int, prog *xdp.Program) ([]*wire, error) {
	wires, how, why, err := build(o, ends, n, prog.Mode())
	if err != nil {
		return nil, explain(o.Interface, err)
	}
	for _, w := range wires {
		w.users = 1
	}
	text := fmt.Sprintf("%s: %d receive queues, read by %d sources; XDP in %s mode", o.Interface, ends[0].queues, n, prog.Mode())
	if f := prog.Fallback(); f != "" {
		text += " (not " + f + ")"
	}
	text += ", frames by " + how.name
	if why != "" {
		text += " (" + why + ")"
	}
	if o.CopyTo != "" {
		text += "; to " + o.CopyTo
		if how.separate {
			text += ", copied: the sockets cannot share memory"
		}
		offer(o, wires)
	}
	o.Log.Infof("%s", text)
	if m := wires[0].mems[0]; m.small {
		o.Log.Warnf("%s: mem-unaligned finds no huge pages and takes ordinary ones: a source needs %d of 2 MiB (/proc/sys/vm/nr_hugepages)",
			o.Interface, len(m.mem)/hugePage)
	}
	if how.flags&unix.XDP_USE_SG == 0 || !prog.Frags() {
		if most := wires[0].mems[0].chunk - headroom; ends[0].mtu+linkBytes > most {
			o.Log.Warnf("%s: frames of more than %d bytes will be lost: the driver or the kernel knows no frames in several buffers; set the MTU to %d or less",
				o.Interface, most, most-linkBytes)
		}
	}
	return wires, nil
}

func newSource(o *Options, w *wire, side, number, all int) (*Source, error) {
	s := &Source{
		opts: o, wire: w, in: w.ends[side], out: w.ends[1-side], number: number, all: all, epoll: -1, promisc: -1,
		like: capture.Frame{Iface: o.Index, Link: capture.LinkEthernet},
	}
	if len(s.out) > 0 {
		s.like.Flags |= capture.Writable
	}
	if o.NoChecksum {
		s.like.Flags |= capture.ChecksumOK
	}
	if o.Filter != "" {
		p, err := filter.Parse(o.Filter)
		if err != nil {
			return nil, err
		}
		s.keep = p.Frames(func(err error) { o.Log.Warnf("%s: %v", o.Interface, err) })
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	return s, nil
}

// prepare sets up what hangs on the interface besides the sockets.
func (s *Source) prepare() error {
	s.poll = s.poll[:0]
	for _, p := range s.in {
		s.poll = append(s.poll, unix.PollFd{Fd: int32(p.fd), Events: unix.POLLIN})
	}
	if s.opts.Promisc {
		fd, err := promiscuous(s.in[0].dev)
		if err != nil {
			return explain(s.opts.Interface, err)
		}
		s.promisc = fd
	}
	if s.opts.BusyPoll && s.number == 0 {
		s.tune()
	}
	return nil
}

// tune sets the interface up for busy polling. What cannot be set costs speed only.
func (s *Source) tune() {
	d := s.in[0].dev
	for _, k := range []struct {
		name  string
		value int64
	}{{"gro_flush_timeout", int64(s.opts.FlushTimeout)}, {"napi_defer_hard_irqs", int64(s.opts.DeferHardIRQ)}} {
		if k.value == 0 {
			continue
		}
		old, err := turn(d, k.name, fmt.Sprint(k.value))
		if err != nil {
			s.opts.Log.Infof("%s: cannot set %s for busy polling: %v", d.name, k.name, err)
			continue
		}
		s.knobs = append(s.knobs, old)
	}
}

// start gives the kernel memory to receive into, and has the program feed the sockets.
func (s *Source) start() error {
	var err error
	if s.prog, err = share(s.opts, s.in[0].dev); err != nil {
		return err
	}
	if len(s.in) > 1 {
		if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return explain(s.opts.Interface, err)
		}
	}
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	for _, p := range s.in {
		p.refill()
		if err := s.prog.SetSocket(p.queue, p.fd); err != nil {
			return err
		}
		if s.epoll >= 0 {
			if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
				return explain(s.opts.Interface, err)
			}
		}
	}
	return nil
}

// Symmetric reports whether both directions of a flow come from the same source of the interface, as far as is known: there is only one,
// or the card's hash says so.
func (s *Source) Symmetric() bool { return s.symmetric }

// Descriptor returns what poll(2) can wait for.
func (s *Source) Descriptor() int {
	switch {
	case s.epoll >= 0:
		return s.epoll
	case len(s.in) > 0:
		return s.in[0].fd
	}
	return -1
}

// Read lends frames, and waits for some when there are none.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.read(batch, true)
}

// Poll lends the frames that are there.
func (s *Source) Poll(batch []capture.Frame) (int, error) { return s.read(batch, false) }

func (s *Source) read(batch []capture.Frame, wait bool) (int, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.end {
		return 0, fmt.Errorf("capture on %s is closed", s.opts.Interface)
	}
	if s.gone {
		s.revive(wait)
		return 0, nil
	}
	n := s.take(batch)
	if n == 0 && len(batch) > 0 {
		if s.opts.BusyPoll {
			for _, p := range s.in {
				wake(p.fd)
			}
			n = s.take(batch)
		}
		if n == 0 && wait {
			s.wait()
			n = s.take(batch)
		}
	}
	if n == 0 {
		s.empty.Add(1)
		if s.quiet++; wait || s.quiet%256 == 0 {
			s.check()
		}
		return 0, nil
	}
	var size uint64
	for i := range batch[:n] {
		size += uint64(len(batch[i].Data))
	}
	s.lent += n
	s.received.Add(uint64(n))
	s.bytes.Add(size)
	return n, nil
}

// wait waits for frames.
func (s *Source) wait() {
	for i := range s.poll {
		s.poll[i].Revents = 0
	}
	s.polls.Add(1)
	switch n, err := unix.Poll(s.poll, maxWait); {
	case err != nil && err != unix.EINTR:
		s.failed.Add(1)
	case n == 0:
		s.timeouts.Add(1)
	}
}

// Counts implements capture.Counted, with Suricata's names.
func (s *Source) Counts(dst []capture.Count) []capture.Count {
	return append(dst,
		capture.Count{Name: "capture.afxdp_packets", Value: s.received.Load()},
		capture.Count{Name: "capture.afxdp.poll", Value: s.polls.Load()},
		capture.Count{Name: "capture.afxdp.poll_timeout", Value: s.timeouts.Load()},
		capture.Count{Name: "capture.afxdp.poll_failed", Value: s.failed.Load()},
		capture.Count{Name: "capture.afxdp.empty_reads", Value: s.empty.Load()},
		capture.Count{Name: "capture.afxdp.failed_reads", Value: s.errors.Load()},
	)
}

// check finds out whether the interface was taken away: poll(2) does not tell. One that only goes down and comes up again makes no
// error.
func (s *Source) check() {
	for _, p := range s.in {
		if e, err := unix.GetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || e == 0 {
			continue
		}
		s.errors.Add(1)
		s.gone = true
	}
	if s.gone {
		s.opts.Log.Warnf("%s: the interface is gone", s.opts.Interface)
	}
}

// take lends what is in the RX rings.
func (s *Source) take(batch []capture.Frame) (n int) {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	for _, p := range s.out {
		p.flush()
		p.reap()
	}
	for range s.in {
		if s.at++; s.at >= len(s.in) {
			s.at = 0
		}
		p := s.in[s.at]
		p.reap() // of what was injected, or forwarded from the other end
		if p.rx.full() > 0 && n < len(batch) {
			n += s.receive(p, batch[n:])
		}
		p.refill()
	}
	s.flush()
	return n
}

// receive lends what is in one RX ring.
func (s *Source) receive(p *port, batch []capture.Frame) (n int) {
	now := max(time.Now().UnixNano(), s.last)
	s.last = now
	m := p.mem
	port := uint64(s.at) << tokenPort
	for left := p.rx.full(); left > 0 && n < len(batch); {
		d := p.rx.desc(p.rx.mine)
		f := &batch[n]
		if d.Options&unix.XDP_PKT_CONTD == 0 {
			at := m.place(d.Addr)
			to := at + uint64(d.Len)
			p.rx.mine++
			left--
			if to > uint64(len(m.mem)) || d.Len == 0 {
				s.invalid.Add(1)
				m.give(at)
				continue
			}
			*f = s.like
			f.Data = m.mem[at:to:to]
			f.Token = at | port
		} else {
			parts := s.join(p, left, f)
			if parts == 0 {
				break
			}
			p.rx.mine += parts
			left -= parts
			if f.Data == nil {
				continue
			}
			f.Token |= port
		}
		f.Time = now
		f.WireLen = uint32(len(f.Data))
		f.Queue = uint16(p.queue)
		if s.keep != nil && !s.keep(f) {
			f.Verdict = capture.Accept
			s.finish(f)
			continue
		}
		n++
	}
	p.rx.consumed()
	return n
}

// join puts a frame together that lies in several chunks. It returns how many; 0 if the rest of it, or a buffer for it, is not there
// yet. Data is nil if it is not to be lent.
func (s *Source) join(p *port, left uint32, f *capture.Frame) (parts uint32) {
	m := p.mem
	f.Data = nil
	var size uint64
	for {
		if parts == left {
			return 0
		}
		d := p.rx.desc(p.rx.mine + parts)
		size += uint64(d.Len)
		parts++
		if d.Options&unix.XDP_PKT_CONTD == 0 {
			break
		}
	}
	give := func() {
		for i := range parts {
			m.give(m.place(p.rx.desc(p.rx.mine + i).Addr))
		}
	}
	if parts > maxParts || size > uint64(maxParts*m.chunk) {
		s.invalid.Add(1)
		give()
		return parts
	}
	if len(s.idle) == 0 {
		if len(s.joints) == maxJoints {
			return 0
		}
		if s.joints == nil {
			s.joints = make([]joint, 0, maxJoints)
		}
		s.idle = append(s.idle, int32(len(s.joints)))
		s.joints = append(s.joints, joint{})
	}
	number := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	j := &s.joints[number]
	if uint64(cap(j.data)) < size {
		j.data = make([]byte, max(size, 4*uint64(m.chunk)))
	}
	j.data = j.data[:0]
	j.parts = 0
	for i := range parts {
		d := p.rx.desc(p.rx.mine + i)
		at := m.place(d.Addr)
		to := at + uint64(d.Len)
		if to > uint64(len(m.mem)) {
			s.invalid.Add(1)
			s.idle = append(s.idle, number)
			give()
			return parts
		}
		j.data = append(j.data, m.mem[at:to]...)
		j.desc[i] = unix.XDPDesc{Addr: at, Len: d.Len, Options: d.Options & unix.XDP_PKT_CONTD}
		j.parts++
	}
	*f = s.like
	f.Data = j.data[:len(j.data):len(j.data)]
	f.Token = tokenJoint | uint64(number)
	if len(s.out) == 0 {
		give() // the copy is all that is needed
		j.parts = 0
	}
	return parts
}

// Release takes frames back, and sends on what is to be sent on.
func (s *Source) Release(batch []capture.Frame) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.end || s.wire == nil {
		return nil
	}
	s.lent -= len(batch)
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	for i := range batch {
		s.finish(&batch[i])
	}
	s.flush()
	return nil
}

// flush sends what finish has put on its way.
func (s *Source) flush() {
	for _, p := range s.out {
		p.flush()
		p.reap()
	}
}

// finish takes one frame back.
func (s *Source) finish(f *capture.Frame) {
	number := f.Token &^ tokenJoint >> tokenPort
	if number >= uint64(len(s.in)) {
		return
	}
	m := s.in[number].mem
	place := f.Token & (1<<tokenPort - 1)
	var to *port
	if len(s.out) > 0 && f.Verdict != capture.Drop {
		to = s.out[number%uint64(len(s.out))]
	}
	if f.Token&tokenJoint != 0 {
		s.finishJoint(f, to, m, place)
		return
	}
	switch {
	case to == nil:
	case to.mem != m:
		if err := to.write(f.Data); err != nil {
			s.errors.Add(1)
		}
	case to.room(1):
		to.move(place, uint32(len(f.Data)), 0)
		return // the chunk comes back through the completion ring
	default:
		s.errors.Add(1)
	}
	m.give(place)
}

func (s *Source) finishJoint(f *capture.Frame, to *port, m *memory, number uint64) {
	if number >= uint64(len(s.joints)) {
		return
	}
	j := &s.joints[number]
	s.idle = append(s.idle, int32(number))
	switch {
	case to == nil:
	case to.mem != m || !to.sg:
		if err := to.write(f.Data); err != nil {
			s.errors.Add(1)
		}
	case to.room(j.parts):
		rest := f.Data
		for _, d := range j.desc[:j.parts] {
			n := min(int(d.Len), len(rest))
			if f.Verdict == capture.Modified {
				copy(m.mem[d.Addr:d.Addr+uint64(d.Len)], rest[:n])
			}
			rest = rest[n:]
			to.move(d.Addr, d.Len, d.Options)
		}
		j.parts = 0
	default:
		s.errors.Add(1)
	}
	for _, d := range j.desc[:j.parts] {
		m.give(d.Addr)
	}
	j.parts = 0
}

// Inject sends a frame on the interface.
func (s *Source) Inject(b []byte) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.end {
		return fmt.Errorf("capture on %s is closed", s.opts.Interface)
	}
	if s.wire == nil {
		return fmt.Errorf("cannot send on %s: the interface is gone", s.opts.Interface)
	}
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	p := s.in[0]
	p.reap()
	err := p.write(b)
	p.flush()
	return err
}

// Stats returns the totals. It may be called from any goroutine.
func (s *Source) Stats() capture.Stats {
	s.mu.Lock()
	lost := s.lost + s.dropped()
	s.mu.Unlock()
	return capture.Stats{
		Received: s.received.Load(), Bytes: s.bytes.Load(), Dropped: lost,
		Invalid: s.invalid.Load(), Errors: s.errors.Load(),
	}
}

// dropped returns how many frames the sockets had no room for.
func (s *Source) dropped() (n uint64) {
	for _, p := range s.in {
		if c, err := losses(p.fd); err == nil {
			n += c
		}
	}
	return n
}

// Close gives the sockets back. No frame may be used afterwards. It may be called while another goroutine reads.
func (s *Source) Close() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end {
		return nil
	}
	s.end = true
	return s.drop()
}

// drop gives up all that hangs on the interface.
func (s *Source) drop() (err error) {
	s.lost += s.dropped()
	if s.prog != nil {
		err = s.prog.Close()
		s.prog = nil
	}
	for _, k := range s.knobs {
		k.back()
	}
	s.knobs = nil
	for _, fd := range []*int{&s.promisc, &s.epoll} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
	if s.wire != nil {
		s.wire.leave()
	}
	s.wire, s.in, s.out = nil, nil, nil
	return err
}
