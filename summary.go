package sentinel

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sentinel/detect"
	"sentinel/rules"
)

// Summary is what a run has seen, for people.
type Summary struct {
	Packets uint64
	Bytes   uint64
	Lost    uint64        // packets that the capture has lost
	Took    time.Duration // since New
	Span    time.Duration // from the first packet to the last
	Flows   []Share       // by transport protocol, most first
	Apps    []Share       // flows by application protocol, most first
	Alerts  uint64
	Rules   []SignatureCount // signatures that alerted, most first
	Blocked uint64           // packets that were, or would have been, dropped
	LogDir  string
}

// Share is a count with a name.
type Share struct {
	Name  string
	Count uint64
}

// SignatureCount says how often a signature has alerted.
type SignatureCount struct {
	GID, SID, Rev uint32
	Msg           string
	Count         uint64
}

// PacketRate returns the packets a second of the engine's time.
func (s *Summary) PacketRate() float64 {
	if s.Took <= 0 {
		return 0
	}
	return float64(s.Packets) / s.Took.Seconds()
}

// Summary returns what was seen. The engine must be idle: after Run has returned, or after Close for injected packets.
func (e *Engine) Summary() Summary {
	s := Summary{Took: time.Since(e.started), LogDir: e.LogDir()}
	c := e.Counters()
	s.Packets, s.Bytes = c["decoder.pkts"], c["decoder.bytes"]
	s.Lost = c["capture.kernel_drops"]
	s.Alerts, s.Blocked = c["detect.alert"], c["ips.blocked"]
	for _, t := range []struct{ name, counter string }{
		{"TCP", "flow.tcp"}, {"UDP", "flow.udp"}, {"ICMP", "flow.icmpv4"}, {"ICMPv6", "flow.icmpv6"},
	} {
		if n := c[t.counter]; n > 0 {
			s.Flows = append(s.Flows, Share{t.name, n})
		}
	}
	apps := map[string]uint64{}
	for name, n := range c {
		if app, ok := strings.CutPrefix(name, "app_layer.flow."); ok && n > 0 {
			app = strings.TrimSuffix(strings.TrimSuffix(app, "_tcp"), "_udp")
			if app == "failed" {
				app = "unknown"
			}
			apps[app] += n
		}
	}
	for name, n := range apps {
		s.Apps = append(s.Apps, Share{name, n})
	}
	byCount := func(a, b Share) int { return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Name, b.Name)) }
	slices.SortFunc(s.Flows, byCount)
	slices.SortFunc(s.Apps, byCount)
	e.mu.Lock()
	defer e.mu.Unlock()
	sum := tally{}
	all := e.before
	for _, w := range e.workers {
		all.add(w.span)
		for id, c := range alertsOf(w) {
			sum.count(id, c)
		}
	}
	s.Span = max(time.Duration(all.last-all.first), 0)
	s.Rules = sum.list()
	return s
}

// tally counts the alerts of one worker by signature. It keeps nothing of the rules themselves: they may be replaced.
type tally map[signature]*SignatureCount

// signature names rules of several generations that are one.
type signature struct{ gid, sid uint32 }

// add counts alerts.
func (t tally) add(alerts []detect.Alert) {
	for i := range alerts {
		m := alerts[i].Rule
		if m.Action == rules.Pass {
			continue
		}
		id := signature{m.GID, m.SID}
		c := t[id]
		if c == nil || m.Rev > c.Rev {
			t.count(id, &SignatureCount{GID: m.GID, SID: m.SID, Rev: m.Rev, Msg: strings.Clone(m.Msg), Count: 1})
			continue
		}
		c.Count++
	}
}

// count adds what was counted elsewhere. The newest revision gives the message.
func (t tally) count(id signature, x *SignatureCount) {
	c := t[id]
	if c == nil {
		c = &SignatureCount{GID: x.GID, SID: x.SID, Rev: x.Rev, Msg: x.Msg}
		t[id] = c
	}
	if x.Rev > c.Rev {
		c.Rev, c.Msg = x.Rev, x.Msg
	}
	c.Count += x.Count
}

// list returns the counts by signature, most first.
func (t tally) list() []SignatureCount {
	out := make([]SignatureCount, 0, len(t))
	for _, c := range t {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b SignatureCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.GID, b.GID), cmp.Compare(a.SID, b.SID))
	})
	return out
}

// tallied is a worker that counts its alerts by rule.
type tallied interface{ alerts() tally }

func alertsOf(w any) tally {
	if t, ok := w.(tallied); ok {
		return t.alerts()
	}
	return nil
}
