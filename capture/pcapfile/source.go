package pcapfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"sentinel/capture"
)

// Source reads one or more capture files, one after the other. It implements capture.Source, Clock, Progress
// and Described. Stats, Now and Progress may be called from any goroutine.
type Source struct {
	opts Options

	files  []file // waiting, in order
	seen   stamp  // of the youngest file taken from the directory (Continuous)
	dir    string // the directory, when there is one
	polled time.Time

	reader
	open bool
	name string // of the file that is open, or was last

	frames   uint64 // lent
	bytes    uint64 // lent
	errs     uint64 // files of a directory that could not be read to their end
	released uint64 // frames taken back
	marks    []mark // files that are read but not yet released, oldest first
	err      error  // final

	done     int64 // bytes of the files that are closed
	total    atomic.Int64
	progress atomic.Int64
	now      atomic.Int64
	stats    struct{ received, bytes, errors atomic.Uint64 }
}

// mark says that a file is done with when as many frames have been released.
type mark struct {
	frames uint64
	name   string
}

var (
	_ capture.Source    = (*Source)(nil)
	_ capture.Clock     = (*Source)(nil)
	_ capture.Progress  = (*Source)(nil)
	_ capture.Described = (*Source)(nil)
)

// Errors that a file can end with. Test with errors.Is; the message has the name of the file and the offset.
var (
	ErrFormat    = errors.New("not a capture file")
	ErrTruncated = errors.New("file is cut short")
	ErrCorrupt   = errors.New("file is broken")
)

// errWait says that no packet is there now, but that there may be one later. errMore says that there is a long way
// to the next packet, and that the caller may look up in between.
var (
	errWait = errors.New("no packet yet")
	errMore = errors.New("not there yet")
)

// Options of a capture file. The zero value is useful.
type Options struct {
	// Filter chooses the frames to lend; nil lends all. BPF makes one from a compiled program.
	Filter func(*capture.Frame) bool

	// Writable lets the engine change frames in place. It changes no file.
	Writable bool

	// Recursive reads the subdirectories of a directory too, to a depth of 255. Symbolic links are ignored.
	Recursive bool
	// Continuous polls a directory for new files until it is gone. It excludes Recursive.
	Continuous bool
	// Delay is the age that a file must have before it is read, with Continuous: 30 s if zero.
	Delay time.Duration
	// Poll is the time between two looks at the directory, with Continuous: 5 s if zero.
	Poll time.Duration

	// Report is told of a file of a directory that is passed over or left early; the next file is read. May be nil.
	Report func(error)
	// Done is told the name of each file of which all frames have been released. May be nil.
	Done func(name string)
}

// maxSteps bounds the records that one Read looks at without lending any, so that it returns to its caller.
const maxSteps = 4096

// Open opens a capture file, a directory of capture files, or standard input if path is "-".
func Open(path string, opts Options) (*Source, error) {
	s := &Source{opts: opts, reader: reader{writable: opts.Writable}}
	if s.opts.Delay <= 0 {
		s.opts.Delay = 30 * time.Second
	}
	if s.opts.Poll <= 0 {
		s.opts.Poll = 5 * time.Second
	}
	if err := s.start(path); err != nil {
		return nil, err
	}
	return s, nil
}

// NewReader reads one capture from r, which it closes if it is a Closer. The name is used in messages and by File.
func NewReader(r io.Reader, name string, opts Options) (*Source, error) {
	s := &Source{opts: opts, name: name, open: true, reader: reader{writable: opts.Writable}}
	s.reader.reset(name, newInput(r))
	if err := s.reader.header(); err != nil && err != errWait {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Read lends up to len(batch) frames, all of the same file.
func (s *Source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(batch) == 0 {
		return 0, nil
	}
	if !s.open {
		if err := s.advance(); err != nil {
			if err == errWait {
				return 0, nil
			}
			s.err = err
			return 0, err
		}
	}
	n := 0
	var err error
	for steps := 0; n < len(batch) && steps < maxSteps; steps++ {
		f := &batch[n]
		var lent bool
		if lent, err = s.reader.next(f); err != nil {
			break
		}
		if !lent {
			continue
		}
		if s.opts.Filter != nil && !s.opts.Filter(f) {
			s.reader.giveBack(f)
			continue
		}
		s.bytes += uint64(len(f.Data))
		n++
	}
	s.frames += uint64(n)
	if n > 0 {
		s.now.Store(batch[n-1].Time)
	}
	s.stats.received.Store(s.frames)
	s.stats.bytes.Store(s.bytes)
	s.progress.Store(s.done + s.reader.offset())
	switch {
	case err == nil || err == errMore:
		return n, nil
	case err == errWait:
		if n == 0 {
			s.reader.wait()
		}
		return n, nil
	}
	s.err = s.finish(err)
	if n > 0 {
		return n, nil // the error comes with the next call
	}
	return 0, s.err
}

// finish closes the file that ended with err, and returns what the whole source ends with; nil if there may be more.
func (s *Source) finish(err error) error {
	s.done += s.reader.offset()
	s.reader.close()
	s.open = false
	if s.opts.Done != nil {
		s.marks = append(s.marks, mark{s.frames, s.name})
		s.settle()
	}
	if err == io.EOF {
		if s.dir == "" && len(s.files) == 0 {
			return io.EOF
		}
		return nil
	}
	if s.dir == "" {
		return err
	}
	s.report(err)
	return nil
}

func (s *Source) report(err error) {
	s.errs++
	s.stats.errors.Store(s.errs)
	if s.opts.Report != nil {
		s.opts.Report(err)
	}
}

// settle tells of the files of which all frames are back.
func (s *Source) settle() {
	for len(s.marks) > 0 && s.released >= s.marks[0].frames {
		name := s.marks[0].name
		s.marks = s.marks[1:]
		s.opts.Done(name)
	}
}

// Release takes the frames back. Verdicts mean nothing to a file.
func (s *Source) Release(batch []capture.Frame) error {
	for i := range batch {
		s.reader.giveBack(&batch[i])
	}
	s.released += uint64(len(batch))
	if len(s.marks) > 0 {
		s.settle()
	}
	return nil
}

// Stats returns what was lent so far. Errors counts the files of a directory that were not read to their end.
func (s *Source) Stats() capture.Stats {
	return capture.Stats{Received: s.stats.received.Load(), Bytes: s.stats.bytes.Load(), Errors: s.stats.errors.Load()}
}

// Now returns the time of the last packet lent.
func (s *Source) Now() int64 { return s.now.Load() }

// Progress returns the bytes read, and those of all files together; the total is 0 for a pipe.
func (s *Source) Progress() (done, total int64) { return s.progress.Load(), s.total.Load() }

// File returns the name of the file that the last Read read from, as it was given or found.
func (s *Source) File() string { return s.name }

// Close closes the file. Frames still lent stay valid memory.
func (s *Source) Close() error {
	if s.err == nil {
		s.err = fmt.Errorf("%s: %w", s.name, errClosed)
	}
	if !s.open {
		return nil
	}
	s.open = false
	return s.reader.close()
}

var errClosed = errors.New("source is closed")
