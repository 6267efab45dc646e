package analysis

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"sentinel/detect"
	"sentinel/internal/jsonw"
	"sentinel/rules"
)

// GroupOptions say how rules are grouped by port, and what is written of it.
type GroupOptions struct {
	Rules    bool // detect.profiling.grouping.include-rules
	Patterns bool // detect.profiling.grouping.include-mpm-stats
	// Most groups of ports by direction; the rest of the rules share one group. 0 = no bound.
	ToServer, ToClient int
	// TCPPorts and UDPPorts are ports that get groups of their own first; nil = the defaults.
	TCPPorts, UDPPorts *rules.PortSet
}

// WriteGroups writes rule_group.json: how Suricata would group the rules by port. This engine does not look at rules by port
// in that way, but tools that judge rules by their groups find what they look for.
func WriteGroups(dir string, list []detect.Description, o GroupOptions) error {
	return write(filepath.Join(dir, "rule_group.json"), groupsJSON(list, o))
}

// The scores of rules whose groups are kept apart first.
const (
	scorePort    = 111 // a port that the configuration prefers
	scoreNoFast  = 99  // looks at the payload without a pattern
	scoreNegated = 77
	scoreOneByte = 55
	scoreSyn     = 33
)

// group is rules that share ports.
type group struct {
	from, to uint16
	score    int
	rules    []*detect.Description // in the order of evaluation
	id       int
}

func defaultPorts(s *rules.PortSet, spec string) *rules.PortSet {
	if s != nil {
		return s
	}
	p, err := rules.ParsePorts(spec, rules.Vars{})
	if err != nil {
		return &rules.PortSet{}
	}
	return &p
}

func groupsJSON(list []detect.Description, o GroupOptions) []byte {
	tcp := defaultPorts(o.TCPPorts, "[53,80,139,443,445,1433,3306,3389,6666,6667,8080]")
	udp := defaultPorts(o.UDPPorts, "[53,135,5060]")
	next := 0
	number := func(gs []*group) {
		for i, g := range gs {
			g.id = -1
			for _, old := range gs[:i] {
				if slices.Equal(old.rules, g.rules) {
					g.id = old.id
					break
				}
			}
			if g.id < 0 {
				g.id = next
				next++
			}
		}
	}
	ports := map[string][]*group{}
	for _, x := range [...]struct {
		key      string
		proto    uint8
		toServer bool
		first    *rules.PortSet
		most     int
	}{
		{"tcp toserver", protoTCP, true, tcp, o.ToServer}, {"tcp toclient", protoTCP, false, tcp, o.ToClient},
		{"udp toserver", protoUDP, true, udp, o.ToServer}, {"udp toclient", protoUDP, false, udp, o.ToClient},
	} {
		gs := byPort(list, x.proto, x.toServer, x.first, x.most)
		number(gs)
		ports[x.key] = gs
	}
	// The other protocols, of which only ICMP is written, have a group each.
	other := map[string]*group{}
	var gs []*group
	for _, toServer := range [2]bool{true, false} {
		for p := range 256 {
			if p == protoTCP || p == protoUDP {
				continue
			}
			g := &group{}
			for i := range list {
				d := &list[i]
				if d.Type != detect.TypeIPOnly && d.Protocol(uint8(p)) && (toServer && d.ToServer || !toServer && d.ToClient) {
					g.rules = append(g.rules, d)
				}
			}
			if len(g.rules) > 0 {
				gs = append(gs, g)
				other[otherKey(uint8(p), toServer)] = g
			}
		}
	}
	number(gs)
	return object(func(w *jsonw.Builder) {
		for _, p := range [...]uint8{protoICMP, protoTCP, protoUDP, protoICMPv6} {
			switch p {
			case protoTCP, protoUDP:
				name := "tcp"
				if p == protoUDP {
					name = "udp"
				}
				w.OpenObject(name)
				for _, dir := range [2]string{"toserver", "toclient"} {
					w.OpenArray(dir)
					for _, g := range ports[name+" "+dir] {
						w.StartObject()
						w.Uint("port", uint64(g.from))
						w.Uint("port2", uint64(g.to))
						g.write(w, &o)
						w.Close()
					}
					w.Close()
				}
				w.Close()
			default:
				name := "icmpv4"
				if p == protoICMPv6 {
					name = "icmpv6"
				}
				w.OpenObject(name)
				for _, toServer := range [2]bool{true, false} {
					if g := other[otherKey(p, toServer)]; g != nil {
						dir := "toserver"
						if !toServer {
							dir = "toclient"
						}
						w.OpenObject(dir)
						g.write(w, &o)
						w.Close()
					}
				}
				w.Close()
			}
		}
	})
}

func otherKey(p uint8, toServer bool) string {
	if toServer {
		return string(rune(p)) + "s"
	}
	return string(rune(p)) + "c"
}

// scoreOf says how much a rule wants its ports to be a group of their own.
func scoreOf(d *detect.Description, ports *rules.PortSet) int {
	if ports == nil {
		return 0
	}
	switch {
	case d.Fast == nil && len(d.Payload) > 0:
		return scoreNoFast
	case d.Fast != nil && d.Fast.Content.Negated:
		return scoreNegated
	case d.Fast != nil && d.FastBuffer == "" && len(d.Fast.Content.Data) == 1:
		return scoreOneByte
	case d.SynOnly:
		return scoreSyn
	}
	return 0
}

// byPort cuts the ports where rules begin and end, puts the ranges that matter most first, and lets the others share one
// group once there are too many.
func byPort(list []detect.Description, proto uint8, toServer bool, first *rules.PortSet, most int) []*group {
	everything := []rules.PortRange{{From: 0, To: 65535}}
	type member struct {
		d     *detect.Description
		span  rules.PortRange
		score int
	}
	var all []member
	var cut [65537]bool
	for i := range list {
		d := &list[i]
		if d.Type == detect.TypeIPOnly || !d.Protocol(proto) || toServer && !d.ToServer || !toServer && !d.ToClient {
			continue
		}
		if !toServer && d.SynOnly && d.ToServer && d.DstPorts != nil {
			continue // what begins connections to a port has no business in the answers
		}
		ports, own := d.DstPorts, d.DstPorts
		if !toServer {
			ports = d.SrcPorts
		}
		if !d.ToServer {
			own = d.SrcPorts
		}
		spans := everything
		if ports != nil {
			spans = ports.Ranges()
		}
		score := scoreOf(d, own)
		for _, s := range spans {
			x := member{d, s, score}
			if s.From == s.To && first.Contains(s.From) {
				x.score = max(score, scorePort)
			}
			all = append(all, x)
			cut[s.From], cut[int(s.To)+1] = true, true
		}
	}
	if len(all) == 0 {
		return nil
	}
	var gs []*group
	for from := 0; from < 65536; {
		to := from + 1
		for to < 65536 && !cut[to] {
			to++
		}
		g := &group{from: uint16(from), to: uint16(to - 1)}
		for _, x := range all {
			if x.span.From <= g.from && g.to <= x.span.To {
				g.score = max(g.score, x.score)
				if n := len(g.rules); n == 0 || g.rules[n-1] != x.d {
					g.rules = append(g.rules, x.d)
				}
			}
		}
		if len(g.rules) > 0 {
			gs = append(gs, g)
		}
		from = to
	}
	slices.SortStableFunc(gs, func(a, b *group) int {
		if a.score != b.score {
			return b.score - a.score
		}
		return len(b.rules) - len(a.rules)
	})
	if most <= 0 || len(gs) <= most {
		return gs
	}
	rest := &group{to: 65535}
	in := map[*detect.Description]bool{}
	for _, g := range gs[most:] {
		for _, d := range g.rules {
			in[d] = true
		}
	}
	for i := range list {
		if in[&list[i]] {
			rest.rules = append(rest.rules, &list[i])
		}
	}
	return append(gs[:most:most], rest)
}

// write writes a group's rules and what kinds they are of.
func (g *group) write(w *jsonw.Builder, o *GroupOptions) {
	w.OpenObject("rulegroup")
	w.Uint("id", uint64(g.id))
	w.OpenArray("rules")
	if o.Rules {
		for _, d := range g.rules {
			w.StartObject()
			w.Uint("sig_id", uint64(d.Meta.SID))
			w.Close()
		}
	}
	w.Close()
	var n struct{ fast, depth, endswith, negated, noFast, prefilter, syn, any5, payload uint64 }
	apps := map[string]map[string]uint64{} // by protocol: "" counts all, else by buffer of the fast pattern
	sizes := map[string][]int{}
	for _, d := range g.rules {
		app := d.App
		if app == "unknown" {
			app = "payload"
		}
		if apps[app] == nil {
			apps[app] = map[string]uint64{}
		}
		apps[app]["total"]++
		if d.AnyProtocol && d.AnySrc && d.AnyDst && d.SrcPorts == nil && d.DstPorts == nil {
			n.any5++
		}
		if d.PrefilterOn != "" {
			n.prefilter++
		}
		if d.Fast == nil {
			if d.SynOnly {
				n.syn++
			}
			if len(d.Payload) > 0 {
				n.payload++
			}
			continue
		}
		k := d.Fast.Content
		n.fast++
		for _, x := range [...]struct {
			on bool
			to *uint64
		}{{k.HasDepth || k.StartsWith, &n.depth}, {k.EndsWith, &n.endswith}, {k.Negated, &n.negated}} {
			if x.on {
				*x.to++
			}
		}
		apps[app][nameOf(d.FastBuffer)]++
		sizes[nameOf(d.FastBuffer)] = append(sizes[nameOf(d.FastBuffer)], min(len(k.Data), 255))
	}
	n.noFast = uint64(len(g.rules)) - n.fast
	w.OpenObject("stats")
	w.Uint("total", uint64(len(g.rules)))
	w.OpenObject("types")
	w.Uint("mpm", n.fast)
	w.Uint("non_mpm", n.noFast)
	w.Uint("mpm_depth", n.depth)
	w.Uint("mpm_endswith", n.endswith)
	w.Uint("negated_mpm", n.negated)
	w.Uint("payload_but_no_mpm", n.payload)
	w.Uint("prefilter", n.prefilter)
	w.Uint("syn", n.syn)
	w.Uint("any5", n.any5)
	w.Close()
	for _, app := range keys(apps) {
		w.OpenObject(app)
		w.Uint("total", apps[app]["total"])
		for _, name := range keys(apps[app]) {
			if name != "total" {
				w.Uint(name, apps[app][name])
			}
		}
		w.Close()
	}
	if o.Patterns {
		w.OpenObject("mpm")
		for _, name := range keys(sizes) {
			g.lengths(w, name, sizes[name])
		}
		w.Close()
	}
	w.Close()
	w.Uint("score", uint64(g.score))
	w.Close()
}

// lengths writes how long and how selective the fast patterns on a buffer are.
func (g *group) lengths(w *jsonw.Builder, name string, sizes []int) {
	w.OpenArray(name)
	slices.Sort(sizes)
	for i := 0; i < len(sizes); {
		n := 1
		for i+n < len(sizes) && sizes[i+n] == sizes[i] {
			n++
		}
		w.StartObject()
		w.Uint("size", uint64(sizes[i]))
		w.Uint("count", uint64(n))
		w.Close()
		i += n
	}
	var low, high, total int
	for _, d := range g.rules {
		if d.Fast == nil || nameOf(d.FastBuffer) != name {
			continue
		}
		s := detect.Strength(d.Fast.Content.Pattern())
		if low == 0 || s < low {
			low = s
		}
		high = max(high, s)
		total += s
	}
	w.StartObject()
	w.Uint("total", uint64(len(sizes)))
	w.Uint("avg_strength", uint64(total/len(sizes)))
	w.Uint("min_strength", uint64(low))
	w.Uint("max_strength", uint64(high))
	w.Close()
	w.Close()
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return out
}
