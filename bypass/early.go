package bypass

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Early keeps the hosts and networks that an EarlyDropper drops. Workers name hosts without waiting.
type Early struct {
	d     EarlyDropper
	opt   EarlyOptions
	hosts chan host
	stop  chan struct{}
	done  chan struct{}
	mu    sync.Mutex // held for calls of d

	held, networks, pkts, bytes, missed atomic.Uint64
}

// EarlyOptions are the settings of an Early.
type EarlyOptions struct {
	Files       []string // of networks
	MaxNetworks int
	Check       time.Duration        // between two looks at what is over, and at the counters; 0 = a second
	Warn        func(string, ...any) // nil = nobody is told
}

// host is a host that is to be dropped until a time.
type host struct {
	addr  netip.Addr
	until int64
}

// hostQueue is how many hosts may wait to be dropped.
const hostQueue = 4096

// NewEarly returns what keeps the hosts and networks of d, which it does not close.
func NewEarly(d EarlyDropper, opt EarlyOptions) *Early {
	if opt.Warn == nil {
		opt.Warn = func(string, ...any) {}
	}
	if opt.Check <= 0 {
		opt.Check = time.Second
	}
	return &Early{d: d, opt: opt, hosts: make(chan host, hostQueue), stop: make(chan struct{}), done: make(chan struct{})}
}

// Start reads the files and begins to drop. What is wrong with a file is an error; the other files count.
func (e *Early) Start() error {
	err := e.Reload()
	go e.run()
	return err
}

// Reload reads the files again. When none of their networks can be dropped those from before stay.
func (e *Early) Reload() error {
	var list []netip.Prefix
	var errs []error
	for _, name := range e.opt.Files {
		more, err := readNetworks(name)
		list = append(list, more...)
		errs = append(errs, err)
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Compare(b) })
	list = slices.Compact(list)
	if e.opt.MaxNetworks > 0 && len(list) > e.opt.MaxNetworks {
		errs = append(errs, fmt.Errorf("%d networks are to be dropped early, but there is room for %d: raise early-drop.max-networks", len(list), e.opt.MaxNetworks))
		return errors.Join(errs...)
	}
	if failed := errors.Join(errs...); failed != nil && len(list) == 0 {
		return failed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.d.DropNetworks(list); err != nil {
		errs = append(errs, err)
	} else {
		e.networks.Store(uint64(len(list)))
	}
	return errors.Join(errs...)
}

// maxNetworkErrors bounds what is told of one file.
const maxNetworkErrors = 10

// readNetworks reads a file with a network or an address a line. What follows it is a comment, as are lines that begin with # or ;.
func readNetworks(name string) ([]netip.Prefix, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open the list of networks %s: %w", name, err)
	}
	defer f.Close()
	var list []netip.Prefix
	var errs []error
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		text, _, _ := strings.Cut(s.Text(), "#")
		text, _, _ = strings.Cut(text, ";")
		fields := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\r' })
		if len(fields) == 0 {
			continue
		}
		p, err := netip.ParsePrefix(fields[0])
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(fields[0]); err == nil {
				p, err = a.WithZone("").Prefix(a.BitLen())
			}
		}
		if err == nil && p.Bits() == 0 {
			err = errors.New("this is every host")
		}
		if err != nil {
			if len(errs) < maxNetworkErrors {
				errs = append(errs, fmt.Errorf("%s:%d: not a network: %q: %w", name, n, fields[0], err))
			}
			continue
		}
		list = append(list, p.Masked())
	}
	if err := s.Err(); err != nil {
		errs = append(errs, fmt.Errorf("cannot read the list of networks %s: %w", name, err))
	}
	return list, errors.Join(errs...)
}

// Drop has a host dropped until a time in nanoseconds since 1970. It does not wait: where too many are waiting already, the host is
// passed over, and counted.
func (e *Early) Drop(a netip.Addr, until int64) {
	select {
	case e.hosts <- host{a, until}:
	default:
		e.missed.Add(1)
	}
}

func (e *Early) run() {
	defer close(e.done)
	t := time.NewTicker(e.opt.Check)
	defer t.Stop()
	told := 0
	warn := func(what string, err error) {
		if told++; err != nil && told <= maxFailReports {
			e.opt.Warn("%s: %v", what, err)
		}
	}
	for {
		select {
		case <-e.stop:
			e.look(warn)
			return
		case h := <-e.hosts:
			e.mu.Lock()
			err := e.d.DropHost(h.addr, h.until)
			e.mu.Unlock()
			if errors.Is(err, ErrFull) {
				e.missed.Add(1)
			} else if err != nil {
				warn("cannot drop a host early", err)
			}
		case <-t.C:
			e.look(warn)
		}
	}
}

// look forgets hosts whose time is over and reads the counters.
func (e *Early) look(warn func(string, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	left, err := e.d.AllowHosts(time.Now().UnixNano())
	if err != nil {
		warn("cannot allow a host again", err)
	}
	e.held.Store(uint64(left))
	c, err := e.d.Dropped()
	if err != nil {
		warn("cannot read the counters of early drops", err)
		return
	}
	e.pkts.Store(c.HostPkts + c.NetworkPkts)
	e.bytes.Store(c.HostBytes + c.NetworkBytes)
}

// Stop ends the work. What is dropped goes on being dropped until the EarlyDropper is closed.
func (e *Early) Stop() {
	close(e.stop)
	<-e.done
}

// EarlyStats are the hosts that are dropped now and the networks that are listed, what they lost, and the hosts that there was no
// room for.
type EarlyStats struct{ Hosts, Networks, Pkts, Bytes, Missed uint64 }

// Stats returns the counts of the last look.
func (e *Early) Stats() EarlyStats {
	return EarlyStats{e.held.Load(), e.networks.Load(), e.pkts.Load(), e.bytes.Load(), e.missed.Load()}
}
