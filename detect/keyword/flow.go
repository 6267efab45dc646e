package keyword

import (
	"strings"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/stream"
	dir "sentinel/stream/flow"
)

type flowBits uint8

const (
	flowTS flowBits = 1 << iota
	flowTC
	flowEst
	flowNotEst
	flowStateless
	flowNoFrag
	flowOnlyFrag
)

// flow matches on direction and state of the flow.
func flow() detect.Keyword {
	return detect.Keyword{Name: "flow", Doc: "match on direction and state of the flow", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		var f flowBits
		only, no := false, false
		words := strings.Split(v, ",")
		if len(words) > 3 {
			return problem("parse error, string " + v)
		}
		set := func(x, clash flowBits, word string) error {
			if f&x != 0 {
				return problem(word + " is already set")
			}
			if f&clash != 0 {
				return problem("cannot set " + word + ": it conflicts with what is set already")
			}
			f |= x
			return nil
		}
		for _, w := range words {
			var err error
			switch w = strings.ToLower(strings.TrimSpace(w)); w {
			case "established":
				err = set(flowEst, flowNotEst|flowStateless, w)
			case "not_established":
				err = set(flowNotEst, flowEst, w)
			case "stateless":
				err = set(flowStateless, flowEst, w)
			case "to_client", "from_server":
				err = set(flowTC, flowTS, w)
			case "to_server", "from_client":
				err = set(flowTS, flowTC, w)
			case "no_frag":
				err = set(flowNoFrag, flowOnlyFrag, w)
			case "only_frag":
				err = set(flowOnlyFrag, flowNoFrag, w)
			case "only_stream":
				if only || no {
					return problem("cannot set only_stream flag")
				}
				only = true
			case "no_stream":
				if only || no {
					return problem("cannot set no_stream flag")
				}
				no = true
			default:
				return problem("invalid flow option \"" + w + "\"")
			}
			if err != nil {
				return err
			}
		}
		if err := b.Flow(f&flowTS != 0, f&flowTC != 0); err != nil {
			return err
		}
		if only {
			b.StreamOnly()
		}
		if no {
			b.PacketOnly()
		}
		// A direction alone is decided by the rule's group.
		if f != 0 && f != flowTS && f != flowTC {
			b.Match("flow", flowMatch{f}, 0)
		}
		return nil
	}}
}

type flowMatch struct{ f flowBits }

// DirectionOnly tells that no state is asked for.
func (m flowMatch) DirectionOnly() bool { return m.f&^(flowTS|flowTC) == 0 }

func (m flowMatch) Match(c *detect.Ctx) bool {
	re := c.Packet.Has(decode.Reassembled)
	switch {
	case m.f&flowNoFrag != 0 && re, m.f&flowOnlyFrag != 0 && !re:
		return false
	case m.f&(flowTS|flowTC) != 0 && c.Flow == nil:
		return false
	case m.f&flowTS != 0 && c.Dir != dir.ToServer, m.f&flowTC != 0 && c.Dir != dir.ToClient:
		return false
	}
	est := c.Unit.Has(stream.Established)
	switch {
	case m.f&flowEst != 0:
		return est
	case m.f&flowNotEst != 0:
		return !est
	}
	return true
}
