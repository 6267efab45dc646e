package sentinel

import (
	"strings"
	"time"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/internal/counter"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// counters are the names under which all parts of the engine count, as in Suricata's stats.
type counters struct {
	reg       *counter.Registry
	snap      counter.Snapshot
	decode    [decode.NumCounts]counter.ID
	events    [decode.EventCount]counter.ID
	flow      [flow.CounterCount]counter.ID
	tcp       [tcp.CounterCount]counter.ID
	detect    [detect.CountCounters]counter.ID
	exception [stream.TargetCount][stream.Auto + 1]counter.ID
	apps      [2][]appIDs
	errors    [2][][]counter.ID
	appErrors [2][]counter.ID // app_layer.error.PROTOCOL.exception_policy.POLICY, of the policy in force
	capture   captureIDs
	frag      [9]counter.ID
	avgSize   counter.ID
	pseudo    counter.ID
	checksum  counter.ID
	gaps      counter.ID
	panics    counter.ID
	accepted  counter.ID
	blocked   counter.ID
	rejected  counter.ID
	replaced  counter.ID
	dropped   [stream.DropReasonCount]counter.ID
	answers   [2]counter.ID
	bypassed  [len(bypassNames)]counter.ID
	live      liveCounts
}

type appIDs struct{ flows, txs counter.ID }

type captureIDs struct{ received, bytes, dropped, errors counter.ID }

var fragNames = [9]string{"defrag.ipv4.fragments", "defrag.ipv4.reassembled", "defrag.ipv6.fragments", "defrag.ipv6.reassembled",
	"defrag.max_trackers_reached", "defrag.max_frags_reached", "defrag.tracker_soft_reuse", "defrag.tracker_hard_reuse",
	"defrag.wrk.tracker_timeout"}

func newCounters(reg *app.Registry, set *settings, ips bool) *counters {
	c := &counters{reg: counter.NewRegistry()}
	sum := func(name string) counter.ID { return c.reg.Register(name, counter.Sum) }
	for i, name := range decode.CountNames {
		kind := counter.Sum
		switch decode.Count(i) {
		case decode.CountMaxPacketSize, decode.CountMaxMACsSrc, decode.CountMaxMACsDst:
			kind = counter.Max
		case decode.CountAvgPacketSize:
			c.avgSize = c.reg.Register(name, counter.Average)
			continue
		case decode.CountIPv4UnknownProto:
			continue // an event's counter has the name
		}
		c.decode[i] = c.reg.Register(name, kind)
	}
	for e := decode.Event(0); e < decode.EventCount; e++ {
		name := e.CounterName("decoder.event")
		if e == decode.EvTooManyLayers {
			name = e.Name()
		}
		c.events[e] = sum(name)
	}
	for i, name := range tcp.CounterNames {
		kind := counter.Sum
		switch tcp.Counter(i) {
		case tcp.CountSYN, tcp.CountSYNACK, tcp.CountRST:
			continue // the decoder counts them
		case tcp.CountActive, tcp.CountMemuse, tcp.CountReassemblyMemuse:
			kind = counter.Gauge
		}
		c.tcp[i] = c.reg.Register(name, kind)
	}
	c.checksum = sum("tcp.invalid_checksum")
	for i, name := range flow.CounterNames {
		kind := counter.Sum
		if flow.Counter(i) == flow.CountActive || flow.Counter(i) == flow.CountMemuse || flow.Counter(i) == flow.CountSpare {
			kind = counter.Gauge
		}
		c.flow[i] = c.reg.Register(name, kind)
	}
	for i, name := range fragNames {
		c.frag[i] = sum(name)
	}
	for i, name := range detect.CounterNames {
		c.detect[i] = sum(name)
	}
	for t, policy := range set.policies() {
		for p := stream.DropThisPacket; p < stream.Auto; p++ {
			if t := stream.Target(t); policy != stream.Ignore && p.Counted(t, ips, set.tcp.Midstream) {
				c.exception[t][p] = sum(exceptionName(t) + p.String())
			}
		}
	}
	n := reg.Len()
	c.apps[0], c.apps[1] = make([]appIDs, n), make([]appIDs, n)
	errorPolicy := set.policies()[stream.TargetAppError]
	perApp := set.perAppErrors && errorPolicy.Counted(stream.TargetAppError, ips, set.tcp.Midstream)
	for over := range c.errors {
		c.errors[over] = make([][]counter.ID, n)
		if perApp {
			c.appErrors[over] = make([]counter.ID, n)
		}
	}
	for id := flow.ProtoFirst; int(id) < n; id++ {
		p := reg.ByID(id)
		for over, suffix := range []string{"_tcp", "_udp"} {
			bit := app.TCP << over
			if p.Transport&bit == 0 {
				continue
			}
			name := counterName(p.Name)
			if p.Transport == app.TCP|app.UDP {
				name += suffix
			}
			c.apps[over][id] = appIDs{sum("app_layer.flow." + name), sum("app_layer.tx." + name)}
			for k, kind := range stream.ErrorNames {
				var x counter.ID
				if bit == app.TCP || k != stream.ErrorGap { // datagrams have no gaps
					x = sum("app_layer.error." + name + "." + kind)
				}
				c.errors[over][id] = append(c.errors[over][id], x)
			}
			if perApp {
				for x := stream.DropThisPacket; x < stream.Auto; x++ {
					if x.Counted(stream.TargetAppError, ips, set.tcp.Midstream) {
						n := sum("app_layer.error." + name + ".exception_policy." + x.String())
						if x == errorPolicy {
							c.appErrors[over][id] = n
						}
					}
				}
			}
		}
	}
	c.apps[0][flow.ProtoFailed].flows = sum("app_layer.flow.failed_tcp")
	c.apps[1][flow.ProtoFailed].flows = sum("app_layer.flow.failed_udp")
	if reg.ID("ftp") == flow.ProtoUnknown {
		c.reg.Func("ftp.memuse", func() uint64 { return 0 }) // nothing speaks FTP here, and nothing is kept for it
	}
	c.pseudo = sum("tcp.pseudo")
	for i, name := range bypassNames {
		c.bypassed[i] = sum(name)
	}
	if ips {
		c.accepted, c.blocked, c.rejected = sum("ips.accepted"), sum("ips.blocked"), sum("ips.rejected")
		c.replaced = sum("ips.replaced")
		for r := stream.NotDropped + 1; r < stream.DropReasonCount; r++ {
			c.dropped[r] = sum("ips.drop_reason." + strings.ReplaceAll(r.String(), " ", "_"))
		}
	}
	c.answers = [2]counter.ID{sum("sentinel.rejects.sent"), sum("sentinel.rejects.not_sent")}
	c.gaps, c.panics = sum("sentinel.app_layer_gap"), sum("sentinel.caught_panics")
	return c
}

// thresholds counts what thresholds take.
func (c *counters) thresholds(s *detect.Shared) {
	c.reg.Func("detect.thresholds.memuse", func() uint64 { all, _, _ := s.Memory(); return all })
	c.reg.Func("detect.thresholds.bitmap_memuse", func() uint64 { _, b, _ := s.Memory(); return b })
	c.reg.Func("detect.thresholds.bitmap_alloc_fail", func() uint64 { _, _, n := s.Memory(); return n })
}

// counterName is a protocol's name in counters: dashes are underscores, and HTTP/1 is http.
func counterName(name string) string {
	if name == "http1" {
		return "http"
	}
	b := []byte(name)
	for i := range b {
		if b[i] == '-' {
			b[i] = '_'
		}
	}
	return string(b)
}

func exceptionName(t stream.Target) string {
	switch t {
	case stream.TargetDefragMemcap:
		return "exception_policy.defrag.memcap."
	case stream.TargetSessionMemcap:
		return "exception_policy.tcp.ssn_memcap."
	case stream.TargetReassemblyMemcap:
		return "exception_policy.tcp.reassembly."
	case stream.TargetFlowMemcap:
		return "exception_policy.flow.memcap."
	case stream.TargetMidstream:
		return "exception_policy.tcp.midstream."
	}
	return "exception_policy.app_layer.error."
}

// publisher copies what a worker has counted to where it can be read from other goroutines.
type publisher struct {
	c         *counters
	set       *counter.Set
	sources   []capture.Source // the worker's own; none when frames are handed to it
	handedOff bool             // the receiver decodes, and counts that
	batches   int
	accepted  uint64
	blocked   uint64
	rejected  uint64
	replaced  uint64
	// Answers to rejected packets that were sent, and those that were not.
	answers, unanswered uint64

	panics  uint64 // of a receiver
	dropped [stream.DropReasonCount]uint64
}

// judged counts what became of a frame.
func (p *publisher) judged(u *stream.Unit) {
	switch {
	case u.Action&(stream.RejectSrc|stream.RejectDst) != 0:
		p.rejected++
	case u.Action&(stream.DropPacket|stream.DropFlow) != 0:
		p.blocked++
	case u.Has(stream.Modified):
		p.replaced++
	default:
		p.accepted++
	}
	p.dropped[u.Reason]++
}

// publishEvery is the number of batches between two publications.
const publishEvery = 64

func (c *counters) publisher(w *worker) publisher {
	return publisher{c: c, set: c.reg.NewSet(threadName(w.id))}
}

func threadName(id int) string {
	return "W#" + string([]byte{'0' + byte(id/10%10), '0' + byte(id%10)})
}

// publish makes the counts visible; unless now is set only every so many batches.
func (p *publisher) publish(w *worker, now bool) {
	if p.batches++; !now && p.batches%publishEvery != 0 {
		return
	}
	c, s := p.c, p.set
	if !p.handedOff {
		p.decoded(w.stack)
		f := &w.frags.Stats
		p.fragments([9]uint64{f.Fragments4, f.Reassembled4, f.Fragments6, f.Reassembled6, f.MaxTrackers, f.MaxFrags, f.SoftReuse,
			f.HardReuse, f.Timeouts})
	}
	for e, n := range w.events {
		if n != 0 {
			s.Put(c.events[e], n)
		}
	}
	for i, n := range w.stream.Table().Counters() {
		s.Put(c.flow[i], n)
	}
	for i, n := range w.stream.Tracker().Counters() {
		s.Put(c.tcp[i], n)
	}
	s.Put(c.pseudo, w.stream.Count[stream.CountPseudo])
	s.Put(c.checksum, w.stream.Count[stream.CountBadChecksum])
	s.Put(c.gaps, w.stream.Count[stream.CountAppGap])
	for i := range c.bypassed {
		s.Put(c.bypassed[i], w.stream.Count[bypassCounts[i]])
	}
	s.Put(c.panics, w.stream.Count[stream.CountPanics])
	for t := range w.stream.Exceptions {
		for a, n := range w.stream.Exceptions[t] {
			if n != 0 {
				s.Put(c.exception[t][a], n)
			}
		}
	}
	for id := range c.apps[0] {
		for over := range c.apps {
			flows, txs := w.stream.Flows(over, app.ProtoID(id))
			s.Put(c.apps[over][id].flows, flows)
			s.Put(c.apps[over][id].txs, txs)
			for k, n := range w.stream.Errors(over, app.ProtoID(id)) {
				if n != 0 {
					s.Put(c.errors[over][id][k], n)
				}
			}
			if n := w.stream.AppErrors(over, app.ProtoID(id)); n != 0 && c.appErrors[over] != nil {
				s.Put(c.appErrors[over][id], n)
			}
		}
	}
	if w.detect != nil {
		for i := range detect.CountCounters {
			s.Put(c.detect[i], w.bench.counted(i))
		}
	}
	s.Put(c.answers[0], p.answers)
	s.Put(c.answers[1], p.unanswered)
	if w.e.ips {
		s.Put(c.accepted, p.accepted)
		below := w.stream.Count[stream.CountOffloadDropped] // of flows that had been dropped up here
		s.Put(c.blocked, p.blocked+below)
		s.Put(c.rejected, p.rejected)
		s.Put(c.replaced, p.replaced)
		for r := stream.NotDropped + 1; r < stream.DropReasonCount; r++ {
			s.Put(c.dropped[r], p.dropped[r])
			if r == stream.DropFlowDrop {
				s.Put(c.dropped[r], p.dropped[r]+below)
			}
		}
	}
	if len(p.sources) > 0 {
		var st capture.Stats
		invalid := w.stream.Count[stream.CountBadChecksum]
		for _, s := range p.sources {
			one := p.note(s, invalid)
			st.Received += one.Received
			st.Dropped += one.Dropped
			st.Errors += one.Errors
			invalid = 0 // the flows of a wire are of both sides: told once
		}
		p.captured(st)
	}
}

func (p *publisher) decoded(st *decode.Stack) {
	for i, n := range st.Counts {
		if i != int(decode.CountAvgPacketSize) {
			p.set.Put(p.c.decode[i], n)
		}
	}
	p.set.Put(p.c.avgSize, st.Counts[decode.CountBytes])
	p.set.Put(p.c.avgSize+1, st.Counts[decode.CountPackets])
}

func (p *publisher) fragments(v [9]uint64) {
	for i, n := range v {
		p.set.Put(p.c.frag[i], n)
	}
}

func (p *publisher) captured(st capture.Stats) {
	p.set.Put(p.c.capture.received, st.Received+st.Dropped)
	p.set.Put(p.c.capture.dropped, st.Dropped)
	p.set.Put(p.c.capture.errors, st.Errors)
}

// Counters returns the present value of every counter by its dotted name, over all workers.
func (e *Engine) Counters() map[string]uint64 {
	var snap counter.Snapshot // of its own: the differences in stats events are those between stats events
	e.counters.reg.Snapshot(&snap)
	m := make(map[string]uint64, len(snap.Names))
	for i, n := range snap.Names {
		m[n] = snap.Total.Values[i]
	}
	return m
}

// startStats writes statistics as often as the outputs want.
func (e *Engine) startStats() {
	every := e.out.StatsInterval()
	if every <= 0 {
		return
	}
	e.statsStop, e.statsDone = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(e.statsDone)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-e.statsStop:
				return
			case now := <-t.C:
				e.stats(now)
			}
		}
	}()
}

func (e *Engine) stats(now time.Time) {
	e.counters.reg.Snapshot(&e.counters.snap)
	e.out.Stats(&e.counters.snap, now.UnixNano())
}

// stopStats writes the last statistics.
func (e *Engine) stopStats() {
	if e.statsStop == nil {
		return
	}
	close(e.statsStop)
	<-e.statsDone
	e.stats(time.Now())
}
