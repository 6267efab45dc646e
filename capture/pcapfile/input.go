package pcapfile

import (
	"errors"
	"io"
	"os"
	"time"
)

// input is where bytes come from.
type input interface {
	// read reads at least one byte, or returns io.EOF, errWait or a final error.
	read(b []byte) (int, error)
	// wait returns when there may be something to read, at the latest after a few milliseconds.
	wait()
	close() error
}

// newInput reads regular files and memory directly. Anything else can block for longer than Read may, and gets a
// goroutine.
func newInput(r io.Reader) input {
	f, ok := r.(*os.File)
	if !ok {
		return direct{r}
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		return direct{f}
	}
	return newPipe(f)
}

// direct reads what never blocks for long.
type direct struct{ r io.Reader }

// maxEmptyReads bounds reads that return neither a byte nor an error.
const maxEmptyReads = 16

func (d direct) read(b []byte) (int, error) {
	for range maxEmptyReads {
		n, err := d.r.Read(b)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

func (d direct) wait() { time.Sleep(time.Millisecond) }

func (d direct) close() error {
	if c, ok := d.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// pipe reads in a goroutine of its own, which ends with the stream, or after close with the next byte that arrives
// (a blocked read of a terminal or inherited pipe cannot be interrupted).
type pipe struct {
	f     *os.File
	full  chan chunk
	free  chan []byte
	quit  chan struct{}
	timer *time.Timer
	cur   []byte // not yet taken
	buf   []byte // what cur is of
	err   error
}

type chunk struct {
	b   []byte // a prefix of a buffer from free
	err error
}

func newPipe(f *os.File) *pipe {
	p := &pipe{f: f, full: make(chan chunk, 2), free: make(chan []byte, 2), quit: make(chan struct{}), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	for range cap(p.free) {
		p.free <- make([]byte, 64<<10)
	}
	go p.run()
	return p
}

func (p *pipe) run() {
	for {
		select {
		case b := <-p.free:
			n, err := p.f.Read(b)
			select {
			case p.full <- chunk{b[:n], err}:
			case <-p.quit:
				return
			}
			if err != nil {
				return
			}
		case <-p.quit:
			return
		}
	}
}

func (p *pipe) take(c chunk) {
	p.cur, p.buf, p.err = c.b, c.b[:cap(c.b)], c.err
}

func (p *pipe) read(b []byte) (int, error) {
	if len(p.cur) == 0 {
		if p.buf != nil {
			p.free <- p.buf // never blocks: there are as many places as buffers
			p.buf = nil
		}
		if p.err != nil {
			return 0, p.err
		}
		select {
		case c := <-p.full:
			p.take(c)
		default:
			return 0, errWait
		}
		if len(p.cur) == 0 {
			if p.err != nil {
				return 0, p.err
			}
			return 0, errWait
		}
	}
	n := copy(b, p.cur)
	p.cur = p.cur[n:]
	return n, nil
}

func (p *pipe) wait() {
	if len(p.cur) > 0 || p.err != nil {
		return
	}
	if p.buf != nil {
		p.free <- p.buf
		p.buf = nil
	}
	p.timer.Reset(maxNap)
	select {
	case c := <-p.full:
		p.take(c)
	case <-p.timer.C:
	}
	p.timer.Stop()
}

func (p *pipe) close() error {
	select {
	case <-p.quit:
		return nil
	default:
	}
	close(p.quit)
	err := p.f.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
