package rules

import "strings"

// Action is what a rule does when it matches.
type Action uint8

// The actions, by their names in rules. Reject and RejectSrc are the same to Suricata.
const (
	Alert Action = iota + 1
	Pass
	Drop
	Reject
	RejectSrc
	RejectDst
	RejectBoth
	Config
	Accept // of firewall rules only
)

var actionNames = [...]string{
	Alert: "alert", Pass: "pass", Drop: "drop", Reject: "reject", RejectSrc: "rejectsrc",
	RejectDst: "rejectdst", RejectBoth: "rejectboth", Config: "config", Accept: "accept",
}

// String returns the action's name in rules.
func (a Action) String() string {
	if int(a) < len(actionNames) && a != 0 {
		return actionNames[a]
	}
	return "unknown"
}

// Drops reports whether the action drops in inline mode.
func (a Action) Drops() bool { return a >= Drop && a <= RejectBoth }

// Rejects reports whether the action answers the packet with an error.
func (a Action) Rejects() bool { return a >= Reject && a <= RejectBoth }

// parseAction takes "drop" or "drop:flow" apart; reason is empty if it is fine.
func parseAction(s string, firewall bool) (a Action, scope, reason string) {
	name, scope, scoped := strings.Cut(s, ":")
	for i, n := range actionNames {
		if n != "" && strings.EqualFold(n, name) {
			a = Action(i)
			break
		}
	}
	if a == Accept && !firewall {
		return 0, "", "the action accept is for firewall rules only"
	}
	if a == 0 {
		return 0, "", "invalid action " + quote(name)
	}
	if !scoped || scope == "" {
		return a, "", ""
	}
	scope, _, _ = strings.Cut(scope, ":")
	switch {
	case a == Pass || a.Drops():
		if scope != "packet" && scope != "flow" {
			return 0, "", "invalid action scope " + quote(scope) + ": packet or flow expected"
		}
	case a == Accept:
		if scope != "packet" && scope != "flow" && scope != "tx" && scope != "hook" {
			return 0, "", "invalid action scope " + quote(scope) + ": packet, flow, tx or hook expected"
		}
	case a == Config:
		if scope != "packet" {
			return 0, "", "invalid action scope " + quote(scope) + ": packet expected"
		}
	default:
		return 0, "", "the action " + a.String() + " takes no scope"
	}
	return a, scope, ""
}

// firewallActions takes the actions of a firewall rule apart, as in "accept:flow,alert": the first
// judges, the others do something besides. All have one scope, which must be given.
func (r *Rule) firewallActions(s string) (reason string) {
	for i, word := range strings.Split(s, ",") {
		a, scope, reason := parseAction(word, true)
		if reason != "" {
			return reason
		}
		judges := a == Accept || a == Config || a.Drops()
		switch {
		case i == 0 && !judges:
			return "the first action of a firewall rule is accept, config, drop or reject, not " + a.String()
		case i > 0 && judges:
			return "the action " + a.String() + " must be the first of a firewall rule"
		case scope != "" && r.Scope != "" && scope != r.Scope:
			return "the actions of a rule cannot have different scopes"
		case scope != "":
			r.Scope = scope
		}
		if r.Scope == "" {
			return "a firewall rule needs a scope, as in accept:flow"
		}
		if i == 0 {
			r.Action = a
		} else {
			r.More = append(r.More, a)
		}
	}
	return ""
}
