package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sentinel"
	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// way is one of the ways in which a capture is run.
type way struct {
	name    string
	mode    string
	workers int
	reload  bool
}

// seen is what came of one run.
type seen struct {
	alerts map[string]int
	events map[string]int // by type
	frames uint64
	drops  map[string]int // by number of the frame
}

// engine is an engine with what it told of the present run.
type engine struct {
	*sentinel.Engine
	way  way
	bugs *bugs

	mu   sync.Mutex
	seen seen
}

// bugs collects the engine's reports of caught panics.
type bugs struct {
	mu   sync.Mutex
	list []string
}

// Write implements io.Writer, for the engine's log.
func (b *bugs) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("a bug was caught")) {
		b.mu.Lock()
		defer b.mu.Unlock()
		var m map[string]any
		_ = json.Unmarshal(line, &m)
		stack, _ := m["stack"].(string)
		b.list = append(b.list, fmt.Sprintf("panic at %v: %v\n%s", m["place"], m["panic"], stack))
	}
	return len(line), nil
}

func (b *bugs) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.list
	b.list = nil
	return l
}

func (s *suite) found(capture, format string, args ...any) {
	f := finding{capture, fmt.Sprintf(format, args...)}
	s.findings = append(s.findings, f)
	fmt.Fprintf(s.progress, "FOUND %s: %s\n", f.capture, f.what)
}

// run runs all groups.
func (s *suite) run() {
	ways := []way{{name: "single", mode: "single", workers: 1}, {name: "autofp", mode: "autofp", workers: s.workers},
		{name: "reload", mode: "autofp", workers: s.workers, reload: true}}
	start := runtime.NumGoroutine()
	for i := range s.groups {
		g := &s.groups[i]
		if len(g.captures) == 0 {
			continue
		}
		s.group(g, ways)
		if !settled(start) {
			s.found(g.captures[0], "%d goroutines stay, %d at the start\n%s", runtime.NumGoroutine(), start, goroutines())
			start = runtime.NumGoroutine()
		}
	}
}

// settled waits a moment for goroutines to end.
func settled(n int) bool {
	for range 50 {
		if runtime.NumGoroutine() <= n {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func goroutines() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()
}

func (s *suite) group(g *group, ways []way) {
	var engines []*engine
	for _, w := range ways {
		e, err := s.newEngine(g, w)
		if err != nil {
			s.progressf("passed over: %s: %v", g.captures[0], err)
			break
		}
		engines = append(engines, e)
	}
	for i, path := range g.captures {
		if len(engines) < len(ways) {
			break
		}
		s.captures++
		var first seen
		for k, e := range engines {
			if e.way.reload && i%g.reload != 0 {
				continue
			}
			got, ok := s.one(e, path)
			if !ok {
				return // it hangs: its engine cannot be used or closed
			}
			switch k {
			case 0:
				first = got
				s.frames += got.frames
				s.alerts += sum(got.alerts)
				s.events += sum(got.events)
			default:
				s.compare(g, path, e.way, first, got)
			}
		}
		if s.captures%50 == 0 {
			s.progressf("%d captures, %d MiB", s.captures, s.rss()>>20)
		}
	}
	if len(engines) == len(ways) && g.together > 0 {
		for list := range slices.Chunk(g.captures, g.together) {
			if !s.crowd(engines[1], list) {
				return
			}
		}
	}
	for _, e := range engines {
		if err := e.Close(); err != nil {
			s.found(g.captures[0], "%s: close: %v", e.way.name, err)
		}
	}
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func (s *suite) progressf(format string, args ...any) { fmt.Fprintf(s.progress, format+"\n", args...) }

func (s *suite) newEngine(g *group, w way) (*engine, error) {
	e := &engine{way: w, bugs: &bugs{}}
	o := sentinel.Options{ConfigFile: g.config, Set: g.set, IPS: g.ips, RuleFiles: g.rules, NoLogs: true, Checksums: "none",
		NoRandom: true, Workers: w.workers, RunMode: w.mode, OnEvent: e.event, Log: zerolog.New(e.bugs)}
	if g.rules == nil {
		o.RuleFiles = []string{}
	}
	var err error
	e.Engine, err = sentinel.New(o)
	return e, err
}

// event notes an event.
func (e *engine) event(line []byte) {
	var v struct {
		Type  string `json:"event_type"`
		SrcIP string `json:"src_ip"`
		DstIP string `json:"dest_ip"`
		SrcP  uint16 `json:"src_port"`
		DstP  uint16 `json:"dest_port"`
		Proto string `json:"proto"`
		Alert struct {
			SID uint32 `json:"signature_id"`
		} `json:"alert"`
	}
	err := json.Unmarshal(line, &v)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		v.Type = "broken: " + string(line)
	}
	if v.Type == "stats" {
		return
	}
	e.seen.events[v.Type]++
	if v.Type == "alert" {
		e.seen.alerts[fmt.Sprintf("%d %s:%d>%s:%d %s", v.Alert.SID, v.SrcIP, v.SrcP, v.DstIP, v.DstP, v.Proto)]++
	}
}

// one runs a capture once. ok is false when the run hangs.
func (s *suite) one(e *engine, path string) (got seen, ok bool) {
	src := s.open(path)
	if src == nil {
		return got, true // not a capture: the driver's own tests are about that
	}
	defer src.Close()
	if e.way.reload {
		src.at = max(1, frames(path)/2)
		src.do = func() {
			s.reloaded++
			if err := e.Reload(); err != nil {
				s.found(path, "reload: %v", err)
			}
		}
	}
	return s.play(e, path, src)
}

// crowd runs several captures at once, each with a receiver of its own. Their flows may clash, so that only what must never be is looked
// for. It returns false when the run hangs.
func (s *suite) crowd(e *engine, paths []string) bool {
	var all []*source
	for _, path := range paths {
		if src := s.open(path); src != nil {
			defer src.Close()
			all = append(all, src)
		}
	}
	if len(all) == 0 {
		return true
	}
	_, ok := s.play(e, paths[0]+" and those behind it", all...)
	return ok
}

func (s *suite) open(path string) *source {
	file, err := pcapfile.Open(path, pcapfile.Options{Report: func(error) {}})
	if err != nil {
		return nil
	}
	return &source{Source: file, drops: map[string]int{}, damage: damage{every: s.damage, seed: s.seed}}
}

// play runs sources once.
func (s *suite) play(e *engine, path string, all ...*source) (got seen, ok bool) {
	e.mu.Lock()
	e.seen = seen{alerts: map[string]int{}, events: map[string]int{}}
	e.mu.Unlock()
	before := e.Counters()["sentinel.caught_panics"]
	sources := make([]capture.Source, len(all))
	for i := range all {
		sources[i] = all[i]
	}
	done := make(chan error, 1)
	go func() { done <- e.Run(context.Background(), sources...) }()
	select {
	case <-done: // an error is of a broken capture
	case <-time.After(s.limit):
		s.found(path, "%s: hangs after %s\n%s", e.way.name, s.limit, goroutines())
		return got, false
	}
	s.runs++
	if n := e.Counters()["sentinel.caught_panics"] - before; n > 0 {
		s.found(path, "%s: %d panics caught", e.way.name, n)
	}
	for _, bug := range e.bugs.take() {
		s.found(path, "%s: %s", e.way.name, bug)
	}
	var read uint64
	for _, src := range all {
		if lent, back := src.lent.Load(), src.back.Load(); lent != back {
			s.found(path, "%s: %d frames lent, %d released", e.way.name, lent, back)
		}
		read += src.lent.Load()
	}
	if n := s.rss(); n > s.peak {
		if s.peak = n; n > s.memory {
			s.found(path, "%s: the process has grown to %d MiB", e.way.name, n>>20)
			s.memory = n + n/4
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen.frames, e.seen.drops = read, all[0].drops
	return e.seen, true
}

// rss is the memory that the process has, in bytes.
func (s *suite) rss() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	_, _ = fmt.Sscan(string(b), &size, &resident)
	return resident * uint64(os.Getpagesize())
}

// frames counts a capture's frames.
func frames(path string) uint64 {
	f, err := pcapfile.Open(path, pcapfile.Options{Report: func(error) {}})
	if err != nil {
		return 0
	}
	defer f.Close()
	n := uint64(0)
	batch := make([]capture.Frame, 256)
	for {
		k, err := f.Read(context.Background(), batch)
		n += uint64(k)
		if k > 0 {
			_ = f.Release(batch[:k])
		}
		if err != nil {
			return n
		}
	}
}

// source counts frames, and does something once so many were read.
type source struct {
	capture.Source
	lent, back atomic.Uint64
	drops      map[string]int
	damage     damage
	at         uint64
	do         func()
}

var _ capture.Clock = (*source)(nil)

// Now implements capture.Clock.
func (s *source) Now() int64 { return s.Source.(capture.Clock).Now() }

// Read implements capture.Source. It lends few frames at a time, so that workers and reloads meet.
func (s *source) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	if s.do != nil && s.lent.Load() >= s.at {
		s.do()
		s.do = nil
	}
	if s.do != nil {
		batch = batch[:min(uint64(len(batch)), s.at-s.lent.Load())]
	}
	n, err := s.Source.Read(ctx, batch)
	for i := range n {
		s.damage.frame(s.lent.Load()+uint64(i), &batch[i])
	}
	s.lent.Add(uint64(n))
	return n, err
}

// Release implements capture.Source.
func (s *source) Release(batch []capture.Frame) error {
	for i := range batch {
		if batch[i].Verdict == capture.Drop {
			s.drops[fmt.Sprintf("frame %d", s.back.Load()+uint64(i)+1)]++
		}
	}
	s.back.Add(uint64(len(batch)))
	return s.Source.Release(batch)
}

// compare holds a run against that of one worker. A reload makes rules forget what they remember of flows, so that only the number of
// frames can be compared.
func (s *suite) compare(g *group, path string, w way, want, got seen) {
	if want.frames != got.frames {
		s.found(path, "%s: %d frames, with one worker %d", w.name, got.frames, want.frames)
	}
	if w.reload {
		return
	}
	note := s.found
	if g.order {
		note = func(path, format string, args ...any) {
			s.ordered = append(s.ordered, finding{path, fmt.Sprintf(format, args...)})
		}
	}
	if d := difference(want.alerts, got.alerts); d != "" {
		note(path, "%s: alerts: %s", w.name, d)
	}
	if d := difference(want.drops, got.drops); d != "" {
		note(path, "%s: dropped: %s", w.name, d)
	}
	if d := difference(want.events, got.events); d != "" {
		note(path, "%s: events: %s", w.name, d)
	}
}

// difference names what two multisets differ in.
func difference(want, got map[string]int) string {
	keys := map[string]int{}
	maps.Copy(keys, want)
	maps.Copy(keys, got)
	var d []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if want[k] != got[k] {
			d = append(d, fmt.Sprintf("%s: %d, with one worker %d", k, got[k], want[k]))
		}
	}
	if n := len(d); n > 6 {
		d = append(d[:6], fmt.Sprintf("and %d more", n-6))
	}
	return strings.Join(d, "; ")
}
