package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"sentinel/capture"
)

// progress shows how far the reading of files is, on a terminal only.
type progress struct {
	bar  *progressbar.ProgressBar
	mu   sync.Mutex
	stop func()
}

// progressEvery is the time between two looks at the source.
const progressEvery = 200 * time.Millisecond

// newProgress starts a bar for sources that know how far they are. The bar steps aside for messages of the log, and stays as it
// is at the end.
func newProgress(stderr io.Writer, sources []capture.Source, quiet bool, log *engineLog) *progress {
	p := &progress{stop: func() {}}
	f, ok := stderr.(*os.File)
	if quiet || !ok || !term.IsTerminal(int(f.Fd())) || len(sources) != 1 {
		return p
	}
	s, ok := sources[0].(capture.Progress)
	if !ok {
		return p
	}
	_, total := s.Progress()
	if total <= 0 {
		return p
	}
	p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionFullWidth(), progressbar.OptionSetDescription("reading"),
		progressbar.OptionThrottle(progressEvery/2))
	_ = p.bar.RenderBlank()
	log.hide(p.clear)
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.C:
				at, _ := s.Progress()
				p.mu.Lock()
				_ = p.bar.Set64(at)
				p.mu.Unlock()
			}
		}
	}()
	p.stop = func() {
		close(end)
		<-done
		log.hide(nil)
		at, _ := s.Progress()
		_ = p.bar.Set64(at)
		_, _ = f.WriteString("\n")
	}
	return p
}

// clear takes the bar off the terminal until its next step.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.bar.Clear()
}
