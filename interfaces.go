package sentinel

import (
	"sync"

	"sentinel/capture"
	"sentinel/internal/counter"
)

// InterfaceStat is what came in on one interface since it was opened.
type InterfaceStat struct {
	Name             string
	Packets          uint64 // that the engine has seen
	Drops            uint64 // lost before the engine saw them
	Bypassed         uint64 // passed by the driver because of an earlier bypass
	InvalidChecksums uint64
}

// liveCounts keeps what is counted by interface. Workers add to it when they publish, which is seldom.
type liveCounts struct {
	mu      sync.Mutex
	names   []string
	sources map[capture.Source]*sourceCounts
}

// sourceCounts are the totals of one source at its last publication.
type sourceCounts struct {
	iface   string
	stats   capture.Stats
	invalid uint64
	ids     []counter.ID    // of what it counts besides
	last    []capture.Count // that, when it was published last
	now     []capture.Count
}

// reset forgets the interfaces of an earlier Open.
func (l *liveCounts) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names, l.sources = nil, map[capture.Source]*sourceCounts{}
}

// name is the interface of a source of Open; "" for others.
func (l *liveCounts) name(s capture.Source) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.sources[s]; c != nil {
		return c.iface
	}
	return ""
}

// countCapture gives what all sources count its place in the statistics. Files have none there.
func (c *counters) countCapture() {
	sum := func(name string) counter.ID { return c.reg.Register(name, counter.Sum) }
	c.capture = captureIDs{received: sum("capture.kernel_packets"), dropped: sum("capture.kernel_drops"), errors: sum("capture.errors")}
}

// opened makes the sources of an interface known. What they count besides Stats gets its place in the statistics.
func (c *counters) opened(iface string, sources []capture.Source) {
	c.countCapture()
	l := &c.live
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = append(l.names, iface)
	for _, s := range sources {
		n := &sourceCounts{iface: iface}
		if counted, ok := s.(capture.Counted); ok {
			n.last = counted.Counts(nil)
			for i := range n.last {
				n.ids = append(n.ids, c.reg.Register(n.last[i].Name, counter.Sum))
				n.last[i].Value = 0
			}
		}
		l.sources[s] = n
	}
}

// note takes the counts of a source, which the caller owns, and returns its Stats. invalid is how many packets of it had wrong checksums.
func (p *publisher) note(s capture.Source, invalid uint64) capture.Stats {
	st := s.Stats()
	l := &p.c.live
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.sources[s]
	if n == nil {
		return st
	}
	n.stats, n.invalid = st, invalid
	if len(n.ids) > 0 {
		n.now = s.(capture.Counted).Counts(n.now[:0])
		for i := range min(len(n.ids), len(n.now)) {
			p.set.Add(n.ids[i], n.now[i].Value-n.last[i].Value)
		}
		n.last, n.now = n.now, n.last
	}
	return st
}

// InterfaceStats returns what came in on each interface that Open has opened, in its order. The numbers are at most a few hundred
// batches old. Where packets are handed over to workers, wrong checksums are those of all interfaces if there is one, else 0.
func (e *Engine) InterfaceStats() []InterfaceStat {
	l := &e.counters.live
	l.mu.Lock()
	list := make([]InterfaceStat, len(l.names))
	for i, name := range l.names {
		list[i].Name = name
	}
	for _, c := range l.sources {
		for i := range list {
			if x := &list[i]; x.Name == c.iface {
				x.Packets += c.stats.Received
				x.Drops += c.stats.Dropped
				x.Bypassed += c.stats.Bypassed
				x.InvalidChecksums += c.invalid
				break
			}
		}
	}
	l.mu.Unlock()
	if len(list) == 1 && list[0].InvalidChecksums == 0 {
		list[0].InvalidChecksums = e.Counters()["tcp.invalid_checksum"]
	}
	return list
}
