package sentinel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"sentinel/bypass"
	"sentinel/bypass/xdp"
	"sentinel/stream"
)

// earlySettings is the section early-drop.
type earlySettings struct {
	on          bool
	interfaces  []string // empty = those that are captured from
	mode        string
	hosts       bool
	timeout     int64 // seconds, where a rule has none
	maxHosts    int
	files       []string
	maxNetworks int
}

func (s *settings) readEarly(r *reader) {
	n := r.root.Get("early-drop")
	s.early = earlySettings{
		on: n.Get("enabled").Bool(false), interfaces: n.Get("interfaces").Strings(), mode: n.Get("xdp-mode").Str(""),
		hosts: n.Get("hosts").Bool(true), files: n.Get("networks").Strings(),
		timeout:     r.int("early-drop.host-timeout", 60, 1, 1<<31),
		maxHosts:    int(r.int("early-drop.max-hosts", 65536, 1, 1<<22)),
		maxNetworks: int(r.int("early-drop.max-networks", 65536, 1, 1<<22)),
	}
	switch s.early.mode {
	case "", "auto", "soft", "driver", "hw":
	default:
		r.errs = append(r.errs, fmt.Errorf("%s: early-drop: unknown xdp-mode %q: use driver, soft or hw", n.Get("xdp-mode").Pos(), s.early.mode))
	}
}

// early is the engine's part in dropping hosts and networks before anything looks at them.
type early struct {
	dropper *xdp.Early // opened for the next run; nil = none
	running atomic.Pointer[bypass.Early]
}

// openEarly opens what drops early, on the interfaces that are captured from unless the configuration names others.
func (e *Engine) openEarly(names []string) {
	s := &e.set.early
	if !s.on {
		return
	}
	log := e.log.With().Str("module", "early-drop").Logger()
	if !e.ips {
		log.Warn().Msg("early-drop is for inline engines only: nothing is dropped")
		return
	}
	if len(s.interfaces) > 0 {
		names = s.interfaces
	}
	d, err := xdp.OpenEarly(names, s.mode, s.maxHosts, s.maxNetworks)
	if err != nil {
		log.Error().Err(err).Msg("nothing is dropped early")
		return
	}
	log.Info().Strs("interfaces", names).Msg("hosts and networks are dropped early by XDP")
	e.early.dropper = d
}

// startEarly starts dropping for a run.
func (e *Engine) startEarly() {
	d := e.early.dropper
	if d == nil {
		return
	}
	x := bypass.NewEarly(d, bypass.EarlyOptions{Files: e.set.early.files, MaxNetworks: e.set.early.maxNetworks,
		Warn: func(f string, a ...any) { e.log.Warn().Str("module", "early-drop").Msgf(f, a...) }})
	if err := x.Start(); err != nil {
		e.log.Error().Str("module", "early-drop").Msg(err.Error())
	}
	e.early.running.Store(x)
}

func (e *Engine) stopEarly() {
	x := e.early.running.Load() // its counts stay
	if x == nil || e.early.dropper == nil {
		return
	}
	x.Stop()
	if err := e.early.dropper.Close(); err != nil {
		e.log.Warn().Err(err).Str("module", "early-drop").Msg("cannot stop dropping early")
	}
	e.early.dropper = nil
}

// reloadEarly reads the lists of networks again.
func (e *Engine) reloadEarly() {
	x := e.early.running.Load()
	if x == nil {
		return
	}
	if err := x.Reload(); err != nil {
		e.log.Error().Str("module", "early-drop").Msg(err.Error())
	}
}

// countEarly registers the counters of early drops.
func (e *Engine) countEarly() {
	if !e.ips || !e.set.early.on {
		return
	}
	stat := func(name string, of func(*bypass.EarlyStats) uint64) {
		e.counters.reg.Func("sentinel.early_drop."+name, func() uint64 {
			x := e.early.running.Load()
			if x == nil {
				return 0
			}
			s := x.Stats()
			return of(&s)
		})
	}
	stat("hosts", func(s *bypass.EarlyStats) uint64 { return s.Hosts })
	stat("networks", func(s *bypass.EarlyStats) uint64 { return s.Networks })
	stat("packets", func(s *bypass.EarlyStats) uint64 { return s.Pkts })
	stat("bytes", func(s *bypass.EarlyStats) uint64 { return s.Bytes })
	stat("missed", func(s *bypass.EarlyStats) uint64 { return s.Missed })
}

// toldHosts are the hosts that a worker has named of late, so that it does not name one again with each of its packets.
type toldHosts [256]struct {
	addr  [16]byte
	until int64
}

// dropHost has the source of a packet dropped early, for the time that the rule which dropped it says.
func (w *worker) dropHost(u *stream.Unit) {
	x := w.e.early.running.Load()
	if x == nil || !w.e.set.early.hosts || u.DropSource < 0 {
		return
	}
	p, seconds := u.Packet, int64(u.DropSource)
	if seconds == 0 {
		seconds = w.e.set.early.timeout
	}
	if w.told == nil {
		w.told = new(toldHosts)
	}
	t := &w.told[(binary.LittleEndian.Uint64(p.Src[:])^binary.LittleEndian.Uint64(p.Src[8:])*0x9e3779b97f4a7c15)>>7%uint64(len(w.told))]
	if t.addr == p.Src && u.Now < t.until {
		return
	}
	t.addr, t.until = p.Src, u.Now+int64(time.Second) // soon enough for a longer time-out
	a := netip.AddrFrom16(p.Src)
	if p.IPVersion == 4 {
		a = netip.AddrFrom4([4]byte(p.Src[:4]))
	}
	x.Drop(a, u.Now+seconds*int64(time.Second))
}
