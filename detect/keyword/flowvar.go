package keyword

import (
	"bytes"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
)

// maxVarName is the greatest length of the name of a captured variable, in bytes.
const maxVarName = 63

// flowvar asks whether a variable that an expression captured for the flow contains some bytes: "name,bytes".
func flowvar() detect.Keyword {
	return detect.Keyword{Name: "flowvar", Doc: "match on a variable of the flow that a pcre captured", Setup: func(b *detect.Builder, v string) error {
		name, data, err := variable(v)
		if err != nil {
			return err
		}
		b.Match("flowvar", &flowvarMatch{b.Name(detect.FlowVar, name), data}, detect.NeedFlow)
		b.Order(detect.OrderFlowvar, true, false)
		return nil
	}}
}

// pktvar asks the same of a variable that was captured from the packet.
func pktvar() detect.Keyword {
	return detect.Keyword{Name: "pktvar", Doc: "match on a variable of the packet that a pcre captured", Setup: func(b *detect.Builder, v string) error {
		name, data, err := variable(v)
		if err != nil {
			return err
		}
		b.Match("pktvar", &pktvarMatch{name, data}, 0)
		b.Order(detect.OrderPktvar, true, false)
		return nil
	}}
}

// variable reads a name and what is looked for, as a content is written, with or without quotes. The last comma separates them.
func variable(v string) (name string, data []byte, err error) {
	at := strings.LastIndexByte(v, ',')
	if at < 0 {
		return "", nil, problem("\"" + v + "\" is not a name and a value: write NAME,\"BYTES\"")
	}
	name, text := strings.TrimSpace(v[:at]), strings.TrimSpace(v[at+1:])
	if name == "" || len(name) > maxVarName || strings.ContainsAny(name, "\"") {
		return "", nil, problem("the name \"" + name + "\" of the variable is empty, too long or has quotes: the bytes to look for stand last, with commas as |2c|")
	}
	quoted := len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"'
	if quoted {
		text = text[1 : len(text)-1]
	} else if strings.ContainsAny(text, "\"") {
		return "", nil, problem("the quotes of the value are not balanced")
	}
	if text == "" {
		return "", nil, problem("the value to look for is empty")
	}
	data, err = chain.ParseBytes(text)
	return name, data, err
}

// The conditions are pointers, because what is looked for is not comparable.
type (
	flowvarMatch struct {
		id   uint32
		data []byte
	}
	pktvarMatch struct {
		name string
		data []byte
	}
)

func (m *flowvarMatch) Match(c *detect.Ctx) bool {
	return bytes.Contains(c.Worker.FlowVarBytes(c.Flow, m.id), m.data)
}

func (m *pktvarMatch) Match(c *detect.Ctx) bool {
	return bytes.Contains(c.Worker.PacketVarBytes(m.name), m.data)
}
