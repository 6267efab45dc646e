package keyword

import (
	"strings"

	"sentinel/detect"
)

// flowbits sets, clears and asks for bits of the flow.
func flowbits() detect.Keyword {
	return detect.Keyword{Name: "flowbits", Doc: "operate on flow flag", Flags: detect.IPOnlyOK | detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		cmd, name, has := strings.Cut(v, ",")
		cmd, name = strings.TrimRight(cmd, " \t"), strings.TrimSpace(name)
		if cmd == "noalert" {
			if has {
				return problem("\"" + v + "\" is not a valid setting for flowbits.")
			}
			b.NoAlert()
			return nil
		}
		if name == "" {
			return problem("\"" + v + "\" is not a valid setting for flowbits.")
		}
		names := strings.Split(name, "|")
		if len(names) > 1 && len(names) > 64 {
			return problem("too many flowbits in one list")
		}
		ids := make([]uint32, 0, len(names))
		for _, n := range names {
			n = strings.TrimSpace(n)
			if n == "" || strings.ContainsAny(n, " \t") {
				return problem("spaces not allowed in flowbit names")
			}
			ids = append(ids, b.Name(detect.FlowBit, n))
		}
		var list [8]uint32
		if len(ids) > len(list) {
			return problem("too many flowbits in one list")
		}
		copy(list[:], ids)
		m := flowbit{ids: list, n: uint8(len(ids))}
		switch cmd {
		case "isset":
			m.cmd = '1'
			b.NeedFlowVar()
		case "isnotset":
			m.cmd = '0'
		case "set":
			m.cmd = 's'
		case "unset":
			m.cmd = 'u'
		default:
			return problem("ERROR: flowbits action \"" + cmd + "\" is not supported.")
		}
		if err := conflict(b, m); err != nil {
			return err
		}
		b.Flowbits(1)
		if m.cmd == '0' || m.cmd == '1' {
			b.Match("flowbits", m, detect.NeedFlow)
			b.Order(detect.OrderFlowbits, true, false)
		} else {
			if len(ids) > 1 {
				return problem("a list of flowbits is for isset and isnotset only")
			}
			b.Post("flowbits", m, 0)
			b.Order(detect.OrderFlowbits, false, true)
		}
		return nil
	}}
}

var bitNames = map[byte]string{'1': "isset", '0': "isnotset", 's': "set", 'u': "unset"}

// conflict looks for commands on the same bit that exclude each other, or of which one is idle.
func conflict(b *detect.Builder, m flowbit) error {
	for _, p := range [...]struct {
		a, b  byte
		fatal bool
	}{{'u', '0', false}, {'s', '1', false}, {'s', 'u', false}, {'1', '0', true}} {
		other := byte(0)
		switch m.cmd {
		case p.a:
			other = p.b
		case p.b:
			other = p.a
		default:
			continue
		}
		for _, old := range append(b.Matches("flowbits"), b.Posts("flowbits")...) {
			o, ok := old.(flowbit)
			if !ok || o.cmd != other || o.ids[0] != m.ids[0] || o.n != 1 || m.n != 1 {
				continue
			}
			if p.fatal {
				return problem("invalid flowbit command combination in the same signature: isset and isnotset")
			}
			b.Warn("flowbits", "inconsequential flowbit command combination in the same signature: "+bitNames[o.cmd]+" and "+bitNames[m.cmd])
			return nil
		}
	}
	return nil
}

type flowbit struct {
	cmd byte
	n   uint8
	ids [8]uint32
}

// SetsOnly tells IP-only rules apart, which may set bits but do nothing else with them.
func (m flowbit) SetsOnly() bool { return m.cmd == 's' }

// NoPrefilter says why the prefilter keyword cannot follow: only a bit that is set can decide early.
func (m flowbit) NoPrefilter() string {
	if m.cmd != '1' {
		return "prefilter is not supported for flowbits"
	}
	return ""
}

func (m flowbit) Match(c *detect.Ctx) bool {
	if c.Flow == nil {
		return false
	}
	switch m.cmd {
	case 's':
		c.Worker.SetFlowBit(c.Flow, m.ids[0], true)
	case 'u':
		c.Worker.SetFlowBit(c.Flow, m.ids[0], false)
	default:
		for i := uint8(0); i < m.n; i++ {
			if c.Worker.FlowBit(c.Flow, m.ids[i]) == (m.cmd == '1') {
				return true
			}
		}
		return false
	}
	return true
}
