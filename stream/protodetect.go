package stream

import (
	"bytes"
	"fmt"

	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// detector finds the application protocol of a flow from the first bytes of a direction: patterns first, then the probes of
// the flow's ports. It is immutable and shared.
type detector struct {
	patterns [2][2][]compiledPattern // by transport and direction
	depth    [2][2]int               // bytes after which no pattern can match any more
	probes   []probe
	byPort   [2]map[uint16][]uint16 // by transport: probes of a server port
	byProto  map[app.ProtoID][]uint16
	// midstream looks for patterns of the other direction too (stream.midstream).
	midstream bool
}

type compiledPattern struct {
	id     app.ProtoID
	data   []byte
	offset int
	depth  int
	nocase bool
	ask    func([]byte, app.Dir, *flow.Flow) (app.Verdict, app.Dir)
}

type probe struct {
	id       app.ProtoID
	dir      app.Dir
	min, max int
	ask      func([]byte, app.Dir, *flow.Flow) (app.Verdict, app.Dir)
}

const (
	overTCP = 0
	overUDP = 1
)

// newDetector compiles the recognisers of all protocols. ports gives the configured detection ports of a protocol, or "".
// off tells which protocols are not looked for.
func newDetector(r *app.Registry, off func(*app.Protocol, int) bool, ports func(*app.Protocol, int) string, midstream bool) (*detector, error) {
	d := &detector{midstream: midstream, byProto: map[app.ProtoID][]uint16{}}
	for i := range d.byPort {
		d.byPort[i] = map[uint16][]uint16{}
	}
	for id := app.ProtoID(0); int(id) < r.Len(); id++ {
		p := r.ByID(id)
		if p == nil {
			continue
		}
		for over, bit := range []app.Transport{app.TCP, app.UDP} {
			if off(p, over) {
				continue
			}
			for _, pat := range p.Patterns {
				if pat.Transport&bit != 0 {
					d.addPattern(id, over, pat)
				}
			}
			spec := ports(p, over)
			for _, pr := range p.Ports {
				if pr.Transport&bit != 0 {
					if err := d.addProbe(id, over, pr, spec); err != nil {
						return nil, fmt.Errorf("detection ports of %s: %w", p.Name, err)
					}
				}
			}
		}
	}
	return d, nil
}

func (d *detector) addPattern(id app.ProtoID, over int, p app.Pattern) {
	c := compiledPattern{id: id, data: []byte(p.Data), offset: p.Offset, depth: p.Depth, nocase: p.Nocase, ask: p.Confirm}
	if c.nocase {
		c.data = bytes.ToLower(c.data)
	}
	if c.depth == 0 {
		c.depth = p.Offset + len(c.data)
	}
	d.patterns[over][p.Dir] = append(d.patterns[over][p.Dir], c)
	d.depth[over][p.Dir] = max(d.depth[over][p.Dir], c.depth)
}

func (d *detector) addProbe(id app.ProtoID, over int, p app.Probe, spec string) error {
	if spec == "" {
		spec = p.Ports
	}
	i := uint16(len(d.probes))
	limit := p.Max
	if limit == 0 {
		limit = 64
	}
	d.probes = append(d.probes, probe{id: id, dir: p.Dir, min: p.Min, max: limit, ask: p.Func})
	d.byProto[id] = append(d.byProto[id], i)
	if spec == "" {
		return nil
	}
	set, err := rules.ParsePorts(spec, rules.Vars{})
	if err != nil {
		return err
	}
	for port := 0; port <= 0xffff; port++ {
		if set.Contains(uint16(port)) {
			d.byPort[over][uint16(port)] = append(d.byPort[over][uint16(port)], i)
		}
	}
	return nil
}

// search is where detection stands for one flow.
type search struct {
	patternsDone [2]bool
	probesDone   [2]bool
	refused      [2]uint64 // probes that said no, by their place in the flow's list
	port         uint16    // server port to assume; 0 = the flow's
	firstSeen    int8      // direction whose data came first; see the constants
	counted      bool
}

const (
	seenNothing int8 = iota
	seenToServer
	seenToClient
	sentToParser
)

func (s *search) done(d app.Dir) bool { return s.patternsDone[d] && s.probesDone[d] }

// find looks at the first bytes of direction dir. reverse says that they really travel the other way.
func (d *detector) find(s *search, f *flow.Flow, data []byte, dir app.Dir, over int) (id app.ProtoID, reverse bool) {
	if !s.patternsDone[dir] {
		id, reverse, over2 := d.match(f, data, dir, over)
		if id == 0 && d.midstream && over == overTCP {
			var other bool
			var rev bool
			id, rev, other = d.match(f, data, dir.Other(), over)
			if id != 0 {
				reverse = !rev
			}
			over2 = over2 && other
		}
		if id != 0 {
			s.patternsDone[dir] = true
			if o := dir.Other(); s.probesDone[o] && f.AppDir[o] == flow.ProtoUnknown {
				s.probesDone[o] = false
				s.refused[o] = 0
			}
			return id, reverse
		}
		if over2 {
			s.patternsDone[dir] = true
		}
	}
	if !s.probesDone[dir] {
		return d.probe(s, f, data, dir, over)
	}
	return 0, false
}

// match tries the patterns of a direction. over says that more data cannot help.
func (d *detector) match(f *flow.Flow, data []byte, dir app.Dir, transport int) (id app.ProtoID, reverse, over bool) {
	wait := len(data) < d.depth[transport][dir]
	for i := range d.patterns[transport][dir] {
		p := &d.patterns[transport][dir][i]
		end := min(p.depth, len(data))
		if p.offset+len(p.data) > end || !p.in(data[p.offset:end]) {
			continue
		}
		if p.ask == nil {
			return p.id, false, true
		}
		switch v, real := p.ask(data, dir, f); v {
		case app.Yes:
			return p.id, real != dir, true
		case app.Unsure:
			wait = true
		}
	}
	return 0, false, !wait
}

func (p *compiledPattern) in(b []byte) bool {
	if !p.nocase {
		if len(b) == len(p.data) {
			return bytes.Equal(b, p.data)
		}
		return bytes.Contains(b, p.data)
	}
	for i := 0; i+len(p.data) <= len(b); i++ {
		j := 0
		for j < len(p.data) && lower(b[i+j]) == p.data[j] {
			j++
		}
		if j == len(p.data) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func (d *detector) probe(s *search, f *flow.Flow, data []byte, dir app.Dir, over int) (app.ProtoID, bool) {
	dport, sport := f.DstPort, f.SrcPort
	if s.port != 0 {
		dport = s.port
	}
	tried, asked := 0, false
	var mask uint64
	try := func(list []uint16, known bool) (app.ProtoID, bool, bool) {
		for _, i := range list {
			p := &d.probes[i]
			if p.dir != dir {
				continue
			}
			bit := uint64(0)
			if !known && tried < 64 {
				bit = 1 << tried
				tried++
			}
			mask |= bit
			asked = true
			if s.refused[dir]&bit != 0 && bit != 0 {
				continue
			}
			if len(data) < p.min {
				continue
			}
			v, real := p.ask(data, dir, f)
			if v == app.Yes {
				return p.id, real != dir, true
			}
			if v == app.No || len(data) > p.max {
				s.refused[dir] |= bit
			}
		}
		return 0, false, false
	}
	if f.AppExpect != 0 {
		if id, r, ok := try(d.byProto[f.AppExpect], true); ok {
			return id, r
		}
	} else if o := f.AppDir[dir.Other()]; o >= flow.ProtoFirst {
		if id, r, ok := try(d.byProto[o], true); ok {
			return id, r
		}
	}
	if id, r, ok := try(d.byPort[over][dport], false); ok {
		return id, r
	}
	if d.midstream {
		// The first packet seen may be the server's: its port is then the source.
		if id, r, ok := try(d.byPort[over][sport], false); ok {
			return id, r
		}
	}
	if !asked || s.refused[dir]&mask == mask {
		s.probesDone[dir] = true
	}
	return 0, false
}
