package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// flowint sets and compares integers of the flow.
func flowint() detect.Keyword {
	return detect.Keyword{Name: "flowint", Doc: "operate on a per-flow integer", Setup: func(b *detect.Builder, v string) error {
		parts := strings.SplitN(v, ",", 3)
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		if len(parts) < 2 || parts[0] == "" || !letter(parts[0][0]) {
			return problem("\"" + v + "\" is not a valid setting for flowint(ret = 0).")
		}
		m := intMatch{id: b.Name(detect.FlowInt, parts[0])}
		value := ""
		if len(parts) == 3 {
			value = parts[2]
		}
		read, write, need := false, false, true
		switch parts[1] {
		case "<", "<=", "==", "!=", ">=", ">":
			m.op, read = parts[1], true
		case "isset":
			m.op, read, need = "isset", true, false
		case "notset", "isnotset":
			m.op, read, need = "notset", true, false
		case "=", "+", "-":
			m.op, write = parts[1], true
		default:
			return problem("Unknown modifier " + parts[1])
		}
		if need {
			if value == "" {
				return problem("a value is needed after " + parts[1])
			}
			if n, err := strconv.ParseUint(value, 10, 32); err == nil {
				m.value = uint32(n)
			} else if letter(value[0]) {
				m.other = b.Name(detect.FlowInt, value)
			} else {
				return problem("invalid value \"" + value + "\"")
			}
		}
		if read {
			b.Match("flowint", m, detect.NeedFlow)
		} else {
			b.Post("flowint", m, 0)
		}
		b.Order(detect.OrderFlowint, read, write)
		return nil
	}}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

type intMatch struct {
	op    string
	id    uint32
	value uint32
	other uint32 // another variable holds the value; 0 = none
}

func (m intMatch) Match(c *detect.Ctx) bool {
	if c.Flow == nil {
		return false
	}
	value := m.value
	if m.other != 0 {
		value, _ = c.Worker.FlowInt(c.Flow, m.other) // 0 where it is not set, as in the reference
	}
	cur, ok := c.Worker.FlowInt(c.Flow, m.id)
	switch m.op {
	case "=":
		c.Worker.SetFlowInt(c.Flow, m.id, value)
		return true
	case "notset":
		return !ok
	case "isset":
		return ok
	case "+":
		c.Worker.SetFlowInt(c.Flow, m.id, cur+value)
		return true
	}
	if !ok {
		return false
	}
	switch m.op {
	case "-":
		c.Worker.SetFlowInt(c.Flow, m.id, cur-value)
		return true
	case "==":
		return cur == value
	case "!=":
		return cur != value
	case "<":
		return cur < value
	case "<=":
		return cur <= value
	case ">":
		return cur > value
	}
	return cur >= value
}
