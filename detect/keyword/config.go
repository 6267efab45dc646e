package keyword

import (
	"strings"

	"sentinel/detect"
)

// configKeyword changes what is done with a transaction or a flow: "logging disable, type tx, scope tx".
func configKeyword() detect.Keyword {
	return detect.Keyword{Name: "config", Doc: "apply different configuration settings to a flow, packet or other unit", Setup: func(b *detect.Builder, v string) error {
		parts := strings.Split(v, ",")
		f := map[string]string{}
		for i, p := range parts {
			k, x, ok := strings.Cut(strings.TrimSpace(p), " ")
			if !ok || i > 2 {
				return problem("cannot parse \"" + v + "\"")
			}
			f[k] = strings.TrimSpace(x)
		}
		if f["logging"] != "disable" {
			if f["tracking"] == "disable" {
				return problem("tracking can be switched off by firewall rules only")
			}
			return problem("config needs \"logging disable\"")
		}
		m := noLog{}
		switch f["type"] {
		case "tx", "":
		case "flow":
			m.flow = true
		default:
			return problem("invalid type \"" + f["type"] + "\"")
		}
		need := detect.NeedApp
		switch f["scope"] {
		case "tx", "":
		case "flow":
			need, m.all = detect.NeedFlow, true
		default:
			return problem("invalid scope \"" + f["scope"] + "\"")
		}
		b.Post("config", m, need)
		return nil
	}}
}

// noLog switches logging off.
type noLog struct{ flow, all bool }

// The marks of app.Tx.LogFlags, by what is not logged.
const (
	noTxLog = 1 << iota
	noFlowLog
)

func (m noLog) Match(c *detect.Ctx) bool {
	bit := uint32(noTxLog)
	if m.flow {
		bit = noFlowLog
	}
	if c.Tx != nil {
		c.Tx.Base().LogFlags |= bit
	}
	if m.all && c.Flow != nil {
		c.Worker.LogLess(c.Flow, bit)
	}
	return true
}
