package keyword

import (
	"strings"

	"sentinel/detect"
	"sentinel/stream"
	dir "sentinel/stream/flow"
)

type protoMode uint8

const (
	byDirection protoMode = iota
	byFinal
	byOriginal
	byEither
	byToServer
	byToClient
)

var protoModes = map[string]protoMode{"final": byFinal, "original": byOriginal, "either": byEither, "to_server": byToServer, "to_client": byToClient, "direction": byDirection}

// appLayerProtocol matches on the protocol that was detected.
func appLayerProtocol() detect.Keyword {
	return detect.Keyword{Name: "app-layer-protocol", Doc: "match on the detected app-layer protocol", Flags: detect.MaybeQuoted | detect.Negatable | detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		list, quals, has := strings.Cut(v, ",")
		m := protoMatch{negated: b.Negated, list: strings.Contains(list, "|")}
		exact, moded := false, false
		if has {
			for _, q := range strings.Split(quals, ",") {
				q = strings.TrimSpace(q)
				if q == "exact" {
					exact = true
					continue
				}
				mode, ok := protoModes[q]
				if !ok {
					return problem("app-layer-protocol keyword supplied with unknown qualifier \"" + q + "\" in \"" + v + "\"")
				}
				if moded {
					return problem("app-layer-protocol keyword supplied with multiple mode qualifiers in \"" + v + "\"")
				}
				m.mode, moded = mode, true
			}
		}
		if b.Bound() {
			return problem("Either we already have the rule match on an app layer protocol set through other keywords that match on this protocol, or have already seen a non-negated app-layer-protocol.")
		}
		for _, t := range strings.Split(list, "|") {
			switch t = strings.TrimSpace(t); t {
			case "":
				return problem("app-layer-protocol keyword value \"" + v + "\" contains an empty token")
			case "failed":
				m.add(dir.ProtoFailed)
			case "unknown":
				if b.Negated {
					return problem("app-layer-protocol keyword can't use negation with protocol 'unknown'")
				}
				m.add(dir.ProtoUnknown)
			default:
				ids := b.Apps(t)
				if len(ids) == 0 {
					return problem("app-layer-protocol keyword supplied with unknown protocol \"" + t + "\" in \"" + v + "\"")
				}
				n := 0
				for _, id := range ids {
					if !exact || b.Config().Registry.ByID(id).Name == t {
						m.add(id)
						n++
					}
				}
				if n == 0 {
					return problem("app-layer-protocol keyword: '" + t + "' with 'exact' never matches (flows are classified as http1/http2); use http1 or http2")
				}
			}
		}
		for _, old := range b.Matches("app-layer-protocol") {
			o, ok := old.(protoMatch)
			if !ok {
				continue
			}
			if o.mode != m.mode {
				continue
			}
			const clash = "conflicting app-layer-protocol rules: "
			switch {
			case o.negated && m.negated:
				if o.overlaps(m) {
					return problem(clash + "duplicate or overlapping negated entries under the same mode")
				}
			case !o.negated && !m.negated:
				return problem(clash + "multiple non-negated entries under the same mode")
			default:
				return problem(clash + "can't mix positive match with negated match under the same mode")
			}
		}
		b.Match("app-layer-protocol", m, detect.NeedFlow)
		return nil
	}}
}

type protoMatch struct {
	set     [4]uint64
	mode    protoMode
	negated bool
	list    bool
}

// NoPrefilter says why the prefilter keyword cannot follow.
func (m protoMatch) NoPrefilter() string {
	if m.list {
		return "prefilter is not supported for multi-value app-layer-protocol"
	}
	return ""
}

func (m *protoMatch) add(p dir.ProtoID) { m.set[p>>6] |= 1 << (p & 63) }

func (m protoMatch) has(p dir.ProtoID) bool { return m.set[p>>6]&(1<<(p&63)) != 0 }

func (m protoMatch) overlaps(o protoMatch) bool {
	for i := range m.set {
		if m.set[i]&o.set[i] != 0 {
			return true
		}
	}
	return false
}

func (m protoMatch) Match(c *detect.Ctx) bool {
	f := c.Flow
	if f == nil || c.Type == detect.TypePDOnly && !c.Unit.Has(stream.ProtoJustKnown) {
		return false
	}
	ts, tc := f.AppDir[dir.ToServer], f.AppDir[dir.ToClient]
	if m.mode == byEither {
		if m.negated && ts == dir.ProtoUnknown && tc == dir.ProtoUnknown {
			return false
		}
		return (m.has(ts) || m.has(tc)) != m.negated
	}
	p := f.App
	switch m.mode {
	case byDirection:
		p = f.AppDir[c.Dir]
	case byOriginal:
		p = f.AppOrig
	case byToServer:
		p = ts
	case byToClient:
		p = tc
	}
	if m.negated && p == dir.ProtoUnknown {
		return false
	}
	return m.has(p) != m.negated
}
