package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// xbits sets, clears and asks for bits of hosts, pairs of hosts and transactions.
func xbits() detect.Keyword {
	return detect.Keyword{Name: "xbits", Doc: "operate on bits", Flags: detect.IPOnlyOK, Setup: func(b *detect.Builder, v string) error {
		parts := strings.Split(v, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		if parts[0] == "noalert" {
			if len(parts) > 1 {
				return problem("\"" + v + "\" is not a valid setting for xbits.")
			}
			b.NoAlert()
			return nil
		}
		if len(parts) < 3 || parts[1] == "" || strings.ContainsAny(parts[1], " \t") {
			return problem("\"" + v + "\" is not a valid setting for xbits.")
		}
		if len(parts) > 3 && strings.HasPrefix(parts[2], "expire") {
			parts[2], parts[3] = parts[3], parts[2] // either may come first
		}
		m := hostBit{seconds: 30}
		kind := detect.HostBit
		word, track, _ := strings.Cut(parts[2], " ")
		if word != "track" {
			return problem("track was not found")
		}
		order := detect.OrderHostbits
		switch strings.TrimSpace(track) {
		case "ip_src":
			m.track = detect.BySrc
		case "ip_dst":
			m.track = detect.ByDst
		case "ip_pair":
			m.track, kind, order = detect.ByBoth, detect.IPPairBit, detect.OrderIPPairbits
		case "tx":
			if kind = detect.TxBit; parts[0] != "set" && parts[0] != "isset" {
				return problem("tx xbits only support set and isset")
			}
			if parts[0] == "isset" && !b.Hooked() {
				return problem("tx xbits require an explicit rule hook, such as http1:request_headers in the header of the rule")
			}
		default:
			return problem("only ip_src, ip_dst, ip_pair and tx are supported for tracking")
		}
		if len(parts) > 3 {
			word, n, _ := strings.Cut(parts[3], " ")
			s, err := strconv.ParseUint(strings.TrimSpace(n), 10, 32)
			if word != "expire" || err != nil || s == 0 || len(parts) > 4 {
				return problem("\"" + v + "\" has an invalid expire value.")
			}
			m.seconds = uint32(s)
		}
		m.kind = kind
		m.id = b.Name(kind, parts[1])
		return bitKeyword(b, "xbits", parts[0], m, order, false)
	}}
}

// hostbits is xbits of one host, in an older notation.
func hostbits() detect.Keyword {
	return detect.Keyword{Name: "hostbits", Doc: "operate on host flag", Flags: detect.IPOnlyOK, Setup: func(b *detect.Builder, v string) error {
		parts := strings.Split(v, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		if parts[0] == "noalert" {
			if len(parts) > 1 {
				return problem("\"" + v + "\" is not a valid setting for hostbits.")
			}
			b.NoAlert()
			return nil
		}
		if len(parts) < 2 || len(parts) > 3 || parts[1] == "" || strings.ContainsAny(parts[1], " \t") {
			return problem("\"" + v + "\" is not a valid setting for hostbits.")
		}
		m := hostBit{host: true, seconds: 300, kind: detect.HostBit, id: b.Name(detect.HostBit, parts[1])}
		if len(parts) == 3 {
			switch parts[2] {
			case "src":
			case "dst":
				m.track = detect.ByDst
			case "both":
				return problem("'both' not implemented")
			default:
				return problem("unknown direction " + parts[2])
			}
		}
		return bitKeyword(b, "hostbits", parts[0], m, detect.OrderHostbits, true)
	}}
}

// bitKeyword adds what a command means. Only writes by hostbits and reads by xbits count for the order of rules, as in the
// reference.
func bitKeyword(b *detect.Builder, word, cmd string, m hostBit, order detect.OrderKind, host bool) error {
	need := detect.Needs(0)
	if m.kind == detect.TxBit {
		need = 0
	}
	switch cmd {
	case "isset", "isnotset":
		m.op = '1'
		if cmd == "isnotset" {
			m.op = '0'
		}
		b.Match(word, m, need)
		if !host {
			b.Order(order, true, false)
		}
	case "set", "unset", "toggle":
		m.op = cmd[0]
		b.Post(word, m, 0)
		b.Meta().XBits = true
		if host {
			b.Order(order, false, true)
		}
	default:
		return problem(word + " action \"" + cmd + "\" is not supported.")
	}
	return nil
}

type hostBit struct {
	op      byte
	kind    detect.NameKind
	id      uint32
	track   detect.Track
	seconds uint32
	host    bool // written as hostbits
}

// SetsOnly tells IP-only rules apart.
func (m hostBit) SetsOnly() bool { return true }

func (m hostBit) Match(c *detect.Ctx) bool {
	if m.kind == detect.TxBit {
		return m.tx(c)
	}
	if !c.Packet.IsIP() {
		return false
	}
	was := c.Worker.SharedBit(m.op, m.kind, m.id, m.track, m.seconds)
	switch m.op {
	case '1':
		return was
	case '0':
		return !was
	}
	return true
}

// maxTxBits bounds the bits of one transaction.
const maxTxBits = 64

func (m hostBit) tx(c *detect.Ctx) bool {
	if c.Tx == nil {
		return false
	}
	t := c.Tx.Base()
	at := -1
	for i, id := range t.Bits {
		if id == m.id {
			at = i
		}
	}
	switch {
	case m.op == '1':
		return at >= 0
	case m.op == '0':
		return at < 0
	case at < 0 && m.op != 'u' && len(t.Bits) < maxTxBits:
		t.Bits = append(t.Bits, m.id)
	case at >= 0 && m.op != 's':
		t.Bits = append(t.Bits[:at], t.Bits[at+1:]...)
	}
	return true
}
