package sentinel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/internal/control"
)

// fileQueue is the capture files that the control socket was told to read, in order.
type fileQueue struct {
	mu        sync.Mutex
	files     []queued
	current   string             // file or folder being read; "" = none
	interrupt context.CancelFunc // ends its run
	last      time.Time          // when the file read last was changed last
	wake      chan struct{}
}

// queued is one file or folder to read.
type queued struct {
	path, dir  string
	tenant     uint32
	continuous bool
	remove     bool
	delay      time.Duration
	poll       time.Duration
}

// maxQueued bounds the files that wait.
const maxQueued = 1 << 20

// queue is the engine's queue of capture files; nil = it has none.
func (e *Engine) queue() *fileQueue {
	if !e.opt.Queue {
		return nil
	}
	return &e.files
}

// ServeFiles runs the capture files that the control socket names, each on its own, until ctx is done. The engine must have been
// made with Options.Queue. filter chooses frames; nil = all.
func (e *Engine) ServeFiles(ctx context.Context, filter func(*capture.Frame) bool) error {
	q := e.queue()
	if q == nil {
		return errors.New("the engine was made without a queue of files")
	}
	for ctx.Err() == nil {
		one, run, ok := q.next(ctx)
		if !ok {
			continue
		}
		e.log.Info().Str("module", "unix-socket").Msgf("Starting run for '%s'", one.path)
		if err := e.runFile(run, one, filter); err != nil {
			e.log.Error().Str("module", "unix-socket").Msgf("%s: %v", one.path, err)
		}
		q.finish()
	}
	return nil
}

// next waits for a file to read.
func (q *fileQueue) next(ctx context.Context) (one queued, run context.Context, ok bool) {
	q.mu.Lock()
	if q.wake == nil {
		q.wake = make(chan struct{}, 1)
	}
	wake := q.wake
	if len(q.files) > 0 {
		one, q.files = q.files[0], q.files[1:]
		q.current = one.path
		run, q.interrupt = context.WithCancel(ctx)
		q.mu.Unlock()
		return one, run, true
	}
	q.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-wake:
	}
	return one, nil, false
}

func (q *fileQueue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.interrupt()
	q.interrupt, q.current = nil, ""
}

// runFile is the run of one file or folder.
func (e *Engine) runFile(ctx context.Context, one queued, filter func(*capture.Frame) bool) error {
	f, err := e.fork(one.dir)
	if err != nil {
		return err
	}
	f.tenant = one.tenant
	del := e.tree.Get("pcap-file.delete-when-done")
	quiet := one.remove && strings.EqualFold(del.Str(""), "non-alerts")
	var later []string
	remove := func(name string) {
		if err := os.Remove(name); err != nil {
			e.Warn("cannot delete the capture file: " + err.Error())
		}
	}
	src, err := pcapfile.Open(one.path, pcapfile.Options{
		Filter: filter, Continuous: one.continuous, Delay: one.delay, Poll: one.poll,
		Recursive: !one.continuous && e.tree.Get("pcap-file.recursive").IsTrue(),
		Report:    func(err error) { e.Warn(err.Error()) },
		Done: func(name string) {
			if st, err := os.Stat(name); err == nil {
				e.files.seen(st.ModTime())
			}
			switch {
			case quiet:
				later = append(later, name)
			case one.remove:
				remove(name)
			}
		},
	})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	e.ctl.child.Store(f)
	err = f.Run(ctx, src)
	e.ctl.child.Store(nil)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	sum := f.Summary()
	err = errors.Join(err, src.Close(), f.Close())
	if len(sum.Rules) == 0 {
		for _, name := range later {
			remove(name)
		}
	}
	e.log.Info().Str("module", "unix-socket").Msgf("%s: %d packets, %d alerts", one.path, sum.Packets, sum.Alerts)
	return err
}

func (q *fileQueue) seen(t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last = t
}

// commands are those of the queue.
func (q *fileQueue) commands(plain func(string, func() control.Reply) control.Command,
	with func(string, func(control.Args) control.Reply) control.Command) []control.Command {
	return []control.Command{
		with("pcap-file", func(a control.Args) control.Reply { return q.add(a, a.True("continuous")) }),
		with("pcap-file-continuous", func(a control.Args) control.Reply { return q.add(a, true) }),
		plain("pcap-file-number", q.number),
		plain("pcap-file-list", q.list),
		plain("pcap-last-processed", q.lastProcessed),
		plain("pcap-interrupt", q.stop),
		plain("pcap-current", q.present),
	}
}

func (q *fileQueue) add(a control.Args, continuous bool) control.Reply {
	one := queued{continuous: continuous, remove: a.True("delete-when-done"), delay: 30 * time.Second, poll: 5 * time.Second}
	var ok bool
	if one.path, ok = a.Text("filename"); !ok {
		return control.NOK("filename is not a string")
	}
	st, err := os.Stat(one.path)
	if err != nil {
		return control.NOK("filename does not exist")
	}
	one.continuous = one.continuous && st.IsDir()
	if !a.Has("output-dir") {
		return control.NOK("output-dir param is mandatory")
	}
	if one.dir, ok = a.Text("output-dir"); !ok {
		return control.NOK("output-dir is not a string")
	}
	if _, err := os.Stat(one.dir); err != nil {
		return control.NOK("output-dir does not exist")
	}
	if a.Has("tenant") {
		id, _, ok := a.Uint32("tenant")
		if !ok {
			return control.NOK("tenant is not a number")
		}
		one.tenant = id
	}
	for _, x := range []struct {
		name string
		into *time.Duration
	}{{"delay", &one.delay}, {"poll-interval", &one.poll}} {
		if !a.Has(x.name) {
			continue
		}
		n, ok := a.Int(x.name)
		if !ok {
			return control.NOK(x.name + " is not a integer")
		}
		if n > 0 && n <= 1<<31 {
			*x.into = time.Duration(n) * time.Second
		}
	}
	// The folder may be changed by who asks while the file waits.
	if p, err := filepath.Abs(one.path); err == nil && one.path != "-" {
		one.path = p
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.files) >= maxQueued {
		return control.NOK("Unable to add file to list")
	}
	q.files = append(q.files, one)
	if q.wake == nil {
		q.wake = make(chan struct{}, 1)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return control.OK("Successfully added file to list")
}

func (q *fileQueue) number() control.Reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	return control.OK(len(q.files))
}

func (q *fileQueue) list() control.Reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := []string{}
	for _, f := range q.files {
		names = append(names, f.path)
	}
	return control.OK(struct {
		Count int      `json:"count"`
		Files []string `json:"files"`
	}{len(names), names})
}

func (q *fileQueue) lastProcessed() control.Reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last.IsZero() {
		return control.OK(0)
	}
	return control.OK(q.last.UnixMilli())
}

func (q *fileQueue) stop() control.Reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.interrupt != nil {
		q.interrupt()
	}
	return control.OK("Interrupted")
}

func (q *fileQueue) present() control.Reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.current == "" {
		return control.OK("None")
	}
	return control.OK(q.current)
}
