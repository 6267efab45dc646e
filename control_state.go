package sentinel

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// controlState is what the control socket tells of how the engine runs.
type controlState struct {
	soon   sync.WaitGroup         // reloads that nobody waits for but Close
	mode   atomic.Pointer[string] // single, autofp or workers
	source atomic.Pointer[string] // capture-mode
	live   atomic.Bool            // time is the machine's

	asking sync.Mutex             // one inquiry of the workers at a time
	child  atomic.Pointer[Engine] // that runs a file of the queue
}

// captureModes are the names that capture-mode has for drivers.
var captureModes = map[string]string{"af-packet": "AF_PACKET_DEV", "af-xdp": "AF_XDP_DEV", "dpdk": "DPDK", "nfq": "NFQ", "pcap": "PCAP_DEV"}

// running notes how a run goes.
func (c *controlState) running(mode string, finite bool) {
	c.mode.Store(&mode)
	c.live.Store(!finite)
	if c.source.Load() == nil {
		name := "LIB"
		if finite {
			name = "PCAP_FILE"
		}
		c.source.Store(&name)
	}
}

// capturing notes what a network is captured with.
func (c *controlState) capturing(driver string) {
	name := captureModes[driver]
	if name == "" {
		name = strings.ToUpper(strings.ReplaceAll(driver, "-", "_"))
	}
	c.source.Store(&name)
}

// mailbox is where others ask a worker something. It looks between two batches, so that nobody else touches what is its own.
type mailbox struct{ letter atomic.Pointer[letter] }

type letter struct {
	do   func(*worker)
	done chan struct{}
}

// open answers what is in the box.
func (m *mailbox) open(w *worker) {
	if m.letter.Load() == nil {
		return
	}
	if l := m.letter.Swap(nil); l != nil {
		l.do(w)
		close(l.done)
	}
}

// inquiryTime is how long workers have to answer; a worker looks into its box every 10 ms at least.
const inquiryTime = 2 * time.Second

// errSilent says that a worker has not answered.
var errSilent = errors.New("a worker does not answer")

// ask has each worker do something between two batches, one after the other.
func (e *Engine) ask(do func(*worker)) error {
	e.ctl.asking.Lock()
	defer e.ctl.asking.Unlock()
	e.mu.Lock()
	if e.inject != nil && !e.closed {
		do(e.inject) // Inject holds the lock
	}
	var list []*worker
	if e.running.Load() {
		for _, w := range e.workers {
			if w != e.inject {
				list = append(list, w)
			}
		}
	}
	e.mu.Unlock()
	limit := time.Now().Add(inquiryTime)
	silent := 0
	for _, w := range list {
		l := &letter{do: do, done: make(chan struct{})}
		w.mail.letter.Store(l)
		wait := time.NewTimer(time.Until(limit))
		select {
		case <-l.done:
		case <-wait.C:
			if w.mail.letter.CompareAndSwap(l, nil) {
				silent++
			} else {
				<-l.done // it is being read
			}
		}
		wait.Stop()
	}
	if silent > 0 {
		return fmt.Errorf("%d of %d workers: %w", silent, len(list), errSilent)
	}
	return nil
}

// active is the engine that packets go through: the one of the present file of the queue, or e.
func (e *Engine) active() *Engine {
	if c := e.ctl.child.Load(); c != nil {
		return c
	}
	return e
}

// clock is the time of the packets: the machine's, or the latest packet's where a file is read.
func (e *Engine) clock() int64 {
	a := e.active()
	if a.running.Load() && !a.ctl.live.Load() {
		var now int64
		if err := a.ask(func(w *worker) { now = max(now, w.now) }); err == nil && now != 0 {
			return now
		}
	}
	return time.Now().UnixNano()
}
