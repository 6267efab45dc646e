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
)

var actionNames = [...]string{
	Alert: "alert", Pass: "pass", Drop: "drop", Reject: "reject", RejectSrc: "rejectsrc",
	RejectDst: "rejectdst", RejectBoth: "rejectboth", Config: "config",
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
func parseAction(s string) (a Action, scope, reason string) {
	name, scope, scoped := strings.Cut(s, ":")
	for i, n := range actionNames {
		if n != "" && strings.EqualFold(n, name) {
			a = Action(i)
			break
		}
	}
	if a == 0 {
		if strings.EqualFold(name, "accept") {
			return 0, "", "the action accept is for firewall rules only"
		}
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
	case a == Config:
		if scope != "packet" {
			return 0, "", "invalid action scope " + quote(scope) + ": packet expected"
		}
	default:
		return 0, "", "the action " + a.String() + " takes no scope"
	}
	return a, scope, ""
}
