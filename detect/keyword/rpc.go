package keyword

import (
	"strconv"
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

// rpc compares program, version and procedure of an ONC RPC call (RFC 5531) at the start of the payload; version and
// procedure may be "*".
func rpc() detect.Keyword {
	return detect.Keyword{Name: "rpc", Doc: "match RPC procedure numbers and RPC version", Setup: func(b *detect.Builder, v string) error {
		m := rpcMatch{}
		f := strings.Split(v, ",")
		if len(f) > 3 {
			return problem("parse error, string " + v)
		}
		for i, s := range f {
			s = strings.TrimSpace(s)
			if s == "*" && i > 0 {
				continue
			}
			n, err := strconv.ParseUint(s, 10, 32)
			if err != nil || s[0] == '+' {
				return problem("Invalid size specified for the rpc " + [...]string{"program", "version", "procedure"}[i] + ":\"" + s + "\"")
			}
			m.want[i], m.check[i] = uint32(n), true
		}
		b.Match("rpc", m, detect.NeedPacket|detect.NeedPayload)
		return nil
	}}
}

type rpcMatch struct {
	want  [3]uint32
	check [3]bool
}

func (m rpcMatch) Match(c *detect.Ctx) bool {
	p := c.Packet.Payload
	switch {
	case c.Packet.Is(decode.HasTCP):
		if len(p) < 28 {
			return false
		}
		p = p[4:] // record mark
	case c.Packet.Is(decode.HasUDP):
		if len(p) < 24 {
			return false
		}
	default:
		return false
	}
	if be32(p[4:]) != 0 { // not a call
		return false
	}
	for i, ok := range m.check {
		if ok && be32(p[12+4*i:]) != m.want[i] {
			return false
		}
	}
	return true
}
