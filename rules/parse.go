package rules

import (
	"strings"
	"unicode/utf8"
)

// MaxLen is the greatest length of a rule in bytes; Suricata cuts longer ones, which then fail.
const MaxLen = 8191

// maxOptions bounds the options of one rule; MaxLen allows for no more.
const maxOptions = MaxLen / 2

// ParseRule takes one rule apart. The error, if any, has neither file nor line.
func ParseRule(line string) (Rule, error) {
	r := Rule{Raw: line}
	if e := r.parse(); e != nil {
		return Rule{}, e
	}
	return r, nil
}

// ParseFirewallRule is ParseRule for the rules of a firewall.
func ParseFirewallRule(line string) (Rule, error) {
	r := Rule{Raw: line, Firewall: true}
	if e := r.parse(); e != nil {
		return Rule{}, e
	}
	return r, nil
}

// parse fills the rule from r.Raw; r.Firewall says which grammar of actions holds.
func (r *Rule) parse() *Error {
	s := r.Raw
	if len(s) > MaxLen {
		return r.Err("", "the rule is longer than 8191 bytes")
	}
	if reason := checkText(s); reason != "" {
		return r.Err("", reason)
	}
	h := header{s: s}
	action, ok1 := h.token()
	proto, ok2 := h.list()
	src, ok3 := h.list()
	sp, ok4 := h.list()
	dir, ok5 := h.token()
	dst, ok6 := h.list()
	dp, ok7 := h.list()
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) {
		return r.Err("", "the header is incomplete: action, protocol, address, port, direction, address, port and options expected")
	}
	var reason string
	if r.Firewall {
		reason = r.firewallActions(action)
	} else {
		r.Action, r.Scope, reason = parseAction(action, false)
	}
	if reason != "" {
		return r.Err("action", reason)
	}
	if r.Proto, r.Hook, reason = parseProto(proto); reason != "" {
		return r.Err("protocol", reason)
	}
	switch dir {
	case "->":
	case "<>":
		r.Bidir = true
	case "=>":
		if r.Firewall {
			return r.Err("direction", "a firewall rule cannot look at both directions of a transaction")
		}
		r.TxBidir = true
	default:
		return r.Err("direction", quote(dir)+" is not a direction: ->, <> or => expected")
	}
	r.Src, r.SrcPort, r.Dst, r.DstPort = src, sp, dst, dp
	return r.parseOptions(h.i)
}

// checkText refuses what no rule may hold: control characters other than tab and line ends, and bytes
// that are not UTF-8.
func checkText(s string) string {
	var high byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		high |= c
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return "the rule contains control characters"
		}
	}
	if high >= 0x80 && !utf8.ValidString(s) {
		return "the rule is not valid UTF-8"
	}
	return ""
}

func parseProto(s string) (proto, hook, reason string) {
	if len(s) >= 64 {
		return "", "", "the protocol is too long: " + quote(s)
	}
	proto, hook, has := strings.Cut(s, ":")
	if proto == "" {
		return "", "", "invalid protocol specification " + quote(s)
	}
	if has && hook == "" {
		return "", "", "invalid protocol specification " + quote(s) + ": the hook is empty"
	}
	return strings.ToLower(proto), hook, ""
}

// header walks over the blank-separated words of a rule's header.
type header struct {
	s string
	i int
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}

func (h *header) skip() {
	for h.i < len(h.s) && isSpace(h.s[h.i]) {
		h.i++
	}
}

// token returns the next word.
func (h *header) token() (string, bool) {
	h.skip()
	from := h.i
	for h.i < len(h.s) && !isSpace(h.s[h.i]) {
		h.i++
	}
	return h.s[from:h.i], h.i > from && h.i < len(h.s)
}

// list returns the next word; blanks within brackets belong to it.
func (h *header) list() (string, bool) {
	h.skip()
	from, depth := h.i, 0
	for ; h.i < len(h.s); h.i++ {
		c := h.s[h.i]
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0 && isSpace(c):
			return h.s[from:h.i], h.i > from
		}
	}
	return h.s[from:], false
}

// parseOptions takes the options apart, from byte i of r.Raw. The parentheses are decoration: any
// number may open and close, or none.
func (r *Rule) parseOptions(i int) *Error {
	s := r.Raw
	for i < len(s) && (isSpace(s[i]) || s[i] == '(') {
		i++
	}
	end := len(s)
	for end > i && (isSpace(s[end-1]) || s[end-1] == ')') {
		end--
	}
	n := strings.Count(s[i:end], ";")
	if n > maxOptions {
		return r.Err("", "too many options")
	}
	if n > 0 {
		r.Options = make([]Option, 0, n)
	}
	for i < end {
		for i < end && (s[i] == ' ' || s[i] == '\t') {
			i++
		}
		// A semicolon ends the option, inside quotes too, unless a backslash precedes it.
		stop := i
		for {
			k := strings.IndexByte(s[stop:end], ';')
			if k < 0 {
				return r.Err(optionName(s[i:end]), "no terminating \";\" found")
			}
			stop += k
			if stop > i && s[stop-1] == '\\' {
				stop++
				continue
			}
			break
		}
		o := Option{Pos: i}
		text := s[i:stop]
		if c := strings.IndexByte(text, ':'); c >= 0 {
			o.HasValue = true
			o.Name, o.Value = strings.TrimRight(text[:c], " \t"), trim(text[c+1:])
		} else {
			o.Name = strings.TrimRight(text, " \t")
		}
		if o.Name == "" {
			return r.Err("", "an option without a name")
		}
		r.Options = append(r.Options, o)
		i = stop + 1
	}
	return nil
}

// optionName returns what looks like the keyword at the start of s, for a message.
func optionName(s string) string {
	for i := 0; i < len(s) && i < 64; i++ {
		if c := s[i]; c == ':' || isSpace(c) || c == '"' {
			return s[:i]
		}
	}
	if len(s) > 64 {
		return ""
	}
	return s
}
