package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sentinel/capture"
)

// Source plays a script. It implements capture.Source, Poller, Injector and Clock. All methods may be called from any
// goroutine, so that a test can look while the engine runs.
type Source struct {
	mu     sync.Mutex
	script []Step
	span   int64 // of the packet times, for repetition
	at     int   // next step
	left   uint64
	rounds int // still to play, negative for ever
	round  int64
	window int
	inject error

	token    uint64 // of the next frame; tokens count from 0
	lent     []loan // in order of lending
	head     int    // the oldest that is not released
	free     [][]byte
	verdicts []Verdict
	tally    [capture.Bypass + 1]uint64
	injected [][]byte
	wrong    []error
	now      int64
	stats    capture.Stats
	closed   bool
}

// loan is a frame that the engine has.
type loan struct {
	token uint64
	buf   []byte
}

// Verdict is what the engine made of a frame.
type Verdict struct {
	Token   uint64 // the frame's number, from 0
	Verdict capture.Verdict
	Data    []byte // a copy of the bytes at release, if Verdict is capture.Modified

	Mark, MarkMask uint32
}

// Bounds of what is recorded, so that endless scripts do not fill the memory.
const (
	maxVerdicts = 1 << 20
	maxWrong    = 100
)

const tick = uint64(10 * time.Millisecond)

var (
	_ capture.Source   = (*Source)(nil)
	_ capture.Injector = (*Source)(nil)
	_ capture.Clock    = (*Source)(nil)
	_ capture.Poller   = (*Source)(nil)
)

// New returns a source that plays a script once.
func New(script ...Step) *Source {
	s := &Source{script: script, rounds: 1}
	first, last, gap, any := int64(0), int64(0), int64(0), false
	for _, st := range script {
		if st.kind == idle {
			gap += int64(st.n)
		}
		if st.kind != packet {
			continue
		}
		if !any {
			first, last, any = st.frame.Time, st.frame.Time, true
		}
		last = max(last, st.frame.Time)
	}
	s.span = last - first + gap + int64(time.Millisecond)
	return s
}

// Queues returns one source per script, as the receive queues of one interface: frames carry the queue's number.
func Queues(scripts ...[]Step) []*Source {
	all := make([]*Source, len(scripts))
	for q, script := range scripts {
		steps := append([]Step(nil), script...)
		for i := range steps {
			steps[i].frame.Queue = uint16(q)
		}
		all[q] = New(steps...)
	}
	return all
}

// Repeat plays the script n times, or for ever if n is negative. Times go on rising. It returns s.
func (s *Source) Repeat(n int) *Source {
	s.rounds = n
	return s
}

// Window bounds the frames that the engine may have at once: Read returns nothing while it has n. It returns s.
func (s *Source) Window(n int) *Source {
	s.window = n
	return s
}

// RefuseInject makes Inject return err. It returns s.
func (s *Source) RefuseInject(err error) *Source {
	s.inject = err
	return s
}

// Read plays the script up to the next pause.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.complain("read after close")
		return 0, errors.New("source is closed")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	for n < len(batch) {
		if s.rounds == 0 {
			return end(n, io.EOF)
		}
		if s.at == len(s.script) {
			s.at = 0
			s.round++
			if s.rounds > 0 {
				s.rounds--
			}
			if n == 0 && s.rounds != 0 {
				return 0, nil // a script without packets must not keep us here
			}
			continue
		}
		st := &s.script[s.at]
		if st.kind == packet {
			if s.window > 0 && len(s.lent)-s.head >= s.window {
				return n, nil
			}
			s.lend(&batch[n], &st.frame)
			n++
			s.at++
			continue
		}
		if n > 0 && st.kind != lose && st.kind != broken {
			return n, nil
		}
		pause, err := s.play(st)
		if err != nil || pause {
			return n, err
		}
	}
	return n, nil
}

// Poll is Read: it never waits for packets.
func (s *Source) Poll(batch []capture.Frame) (int, error) { return s.Read(context.Background(), batch) }

// Descriptor returns -1: only Poll tells.
func (s *Source) Descriptor() int { return -1 }

// end keeps an error for the next call if there are frames.
func end(n int, err error) (int, error) {
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// play does a step that is not a packet, and says whether Read has to return.
func (s *Source) play(st *Step) (pause bool, err error) {
	switch st.kind {
	case idle:
		if s.left == 0 {
			s.left = st.n
		}
		d := min(s.left, tick)
		s.left -= d
		s.now += int64(d)
		if s.left == 0 {
			s.at++
		}
		return true, nil
	case lose:
		s.stats.Dropped += st.n
	case broken:
		s.stats.Invalid += st.n
	case fail:
		return true, st.err
	case hold:
		select {
		case <-st.gate:
		default:
			s.mu.Unlock()
			time.Sleep(time.Millisecond)
			s.mu.Lock()
			return true, nil
		}
	case drain:
		if s.head < len(s.lent) {
			return true, nil
		}
	case do:
		s.mu.Unlock()
		st.do()
		s.mu.Lock()
	}
	s.at++
	return false, nil
}

func (s *Source) lend(f, from *capture.Frame) {
	var buf []byte
	if n := len(s.free); n > 0 && cap(s.free[n-1]) >= len(from.Data) {
		buf, s.free = s.free[n-1], s.free[:n-1]
	} else {
		buf = make([]byte, max(len(from.Data), 2048))
	}
	n := copy(buf[:cap(buf)], from.Data)
	*f = *from
	f.Data = buf[:n:n]
	f.WireLen = max(f.WireLen, uint32(n))
	f.Time += s.round * s.span
	f.Token = s.token
	f.Verdict = capture.Accept
	if s.head > 64 && 2*s.head >= len(s.lent) {
		s.lent, s.head = s.lent[:copy(s.lent, s.lent[s.head:])], 0
	}
	s.lent = append(s.lent, loan{s.token, buf[:n]})
	s.token++
	s.now = f.Time
	s.stats.Received++
	s.stats.Bytes += uint64(n)
}

// Release records the verdicts, and overwrites the frames' bytes, so that their use afterwards shows.
func (s *Source) Release(batch []capture.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		s.take(&batch[i])
	}
	return nil
}

func (s *Source) take(f *capture.Frame) {
	if f.Token >= s.token {
		s.complain("frame %d released, which was never lent", f.Token)
		return
	}
	i := s.head
	for i < len(s.lent) && s.lent[i].token != f.Token {
		i++
	}
	if i == len(s.lent) {
		s.complain("frame %d released twice", f.Token)
		return
	}
	if i != s.head {
		s.complain("frame %d released before frame %d", f.Token, s.lent[s.head].token)
	}
	l := s.lent[i]
	copy(s.lent[s.head+1:i+1], s.lent[s.head:i])
	s.head++
	if len(f.Data) != len(l.buf) || (len(l.buf) > 0 && &f.Data[0] != &l.buf[0]) {
		s.complain("frame %d released with other bytes than were lent", f.Token)
	}
	if f.Verdict > capture.Bypass {
		s.complain("frame %d released with verdict %d", f.Token, f.Verdict)
	} else {
		s.tally[f.Verdict]++
	}
	if f.Verdict == capture.Modified && f.Flags&capture.Writable == 0 {
		s.complain("frame %d was modified and is not writable", f.Token)
	}
	if len(s.verdicts) < maxVerdicts {
		v := Verdict{Token: f.Token, Verdict: f.Verdict, Mark: f.Mark, MarkMask: f.MarkMask}
		if f.Verdict == capture.Modified {
			v.Data = bytes.Clone(l.buf)
		}
		s.verdicts = append(s.verdicts, v)
	}
	for j := range l.buf {
		l.buf[j] = 0xCC
	}
	s.free = append(s.free, l.buf[:cap(l.buf)])
}

func (s *Source) complain(format string, args ...any) {
	if len(s.wrong) < maxWrong {
		s.wrong = append(s.wrong, fmt.Errorf(format, args...))
	}
}

// Inject records a frame.
func (s *Source) Inject(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inject != nil {
		return s.inject
	}
	s.injected = append(s.injected, bytes.Clone(b))
	return nil
}

// Now returns the time of the last packet lent, plus the idle time since.
func (s *Source) Now() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Stats returns what happened so far.
func (s *Source) Stats() capture.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Close ends the source.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.complain("closed twice")
	}
	s.closed = true
	return nil
}

// Closed says whether Close was called.
func (s *Source) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Verdicts returns the verdicts so far in the order of release, at most about a million.
func (s *Source) Verdicts() []Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Verdict(nil), s.verdicts...)
}

// Count returns how many frames were released with a verdict.
func (s *Source) Count(v capture.Verdict) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(v) >= len(s.tally) {
		return 0
	}
	return s.tally[v]
}

// Injected returns the frames that the engine has sent.
func (s *Source) Injected() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.injected...)
}

// Outstanding returns how many frames the engine has not released yet.
func (s *Source) Outstanding() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lent) - s.head
}

// Err returns how the engine has broken the contract: frames released twice, out of order, with other bytes or never
// lent. It is nil if it has not. Frames that are still out are not an error; see Outstanding.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.wrong...)
}
