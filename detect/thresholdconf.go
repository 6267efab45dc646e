package detect

import (
	"io"
	"strconv"
	"strings"

	"sentinel/rules"
)

// ThresholdLine is one line of threshold.config. SID 0 means every rule of the group; GID and SID 0 mean every rule.
type ThresholdLine struct {
	Threshold
	GID, SID uint32
	Event    bool // event_filter or threshold: gives way to a rule's own threshold if it is for many rules
}

// ParseThresholds reads threshold.config. Lines that are wrong are left out, each with an error.
func ParseThresholds(r io.Reader, file string, vars rules.Vars) ([]ThresholdLine, []error) {
	var out []ThresholdLine
	var errs []error
	pending, first := "", 0
	lines(r, func(n int, line string) {
		if pending == "" {
			first = n
		}
		if rest, ok := strings.CutSuffix(line, "\\"); ok {
			pending += rest + " "
			return
		}
		line, pending = pending+line, ""
		t, err := parseThresholdLine(line, vars)
		if err != nil {
			errs = append(errs, lineError(file, first, err.Error()))
			return
		}
		out = append(out, t)
	})
	return out, errs
}

func parseThresholdLine(line string, vars rules.Vars) (ThresholdLine, error) {
	var t ThresholdLine
	bad := func(why string) (ThresholdLine, error) {
		return t, problem(why + " in \"" + line + "\"")
	}
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "event_filter", "threshold":
		t.Event = true
	case "rate_filter":
		t.Type = RateFilter
	case "suppress":
		t.Type = Suppress
	default:
		return bad("unknown kind of threshold")
	}
	fields := map[string]string{}
	for rest = strings.TrimSpace(rest); rest != ""; {
		var part string
		// The addresses of a suppression may be a list in brackets.
		depth, end := 0, len(rest)
		for i := 0; i < len(rest); i++ {
			switch rest[i] {
			case '[':
				depth++
			case ']':
				depth--
			}
			if rest[i] == ',' && depth <= 0 {
				end = i
				break
			}
		}
		part = strings.TrimSpace(rest[:end])
		if end < len(rest) {
			rest = strings.TrimSpace(rest[end+1:])
		} else {
			rest = ""
		}
		k, v, ok := strings.Cut(part, " ")
		if !ok {
			return bad("malformed option \"" + part + "\"")
		}
		if _, dup := fields[k]; dup {
			return bad("option " + k + " is there twice")
		}
		fields[k] = strings.TrimSpace(v)
	}
	num := func(k string) (uint32, bool) {
		v, err := strconv.ParseUint(fields[k], 10, 32)
		return uint32(v), err == nil
	}
	var ok1, ok2 bool
	t.GID, ok1 = num("gen_id")
	t.SID, ok2 = num("sig_id")
	if !ok1 || !ok2 {
		return bad("gen_id and sig_id are needed")
	}
	if t.Type == Suppress {
		track, has := fields["track"]
		if !has {
			t.Track = ByRule
			return t, nil
		}
		switch track {
		case "by_src":
			t.Track = BySrc
		case "by_dst":
			t.Track = ByDst
		case "by_either":
			t.Track = ByEither
		default:
			return bad("invalid track")
		}
		ip := fields["ip"]
		if ip == "" {
			return bad("the addresses are missing")
		}
		a, err := rules.ParseAddresses(ip, vars)
		if err != nil {
			return bad(err.Error())
		}
		t.Addrs = &a
		return t, nil
	}
	var ok bool
	if t.Count, ok = num("count"); !ok || t.Count == 0 {
		return bad("invalid count")
	}
	switch fields["track"] {
	case "by_src":
		t.Track = BySrc
	case "by_dst":
		t.Track = ByDst
	case "by_both":
		t.Track = ByBoth
	case "by_rule":
		t.Track = ByRule
	case "by_flow":
		t.Track = ByFlow
	default:
		return bad("invalid track")
	}
	if t.Type == RateFilter {
		if t.Seconds, ok = num("seconds"); !ok || t.Seconds == 0 {
			return bad("invalid seconds")
		}
		if t.Timeout, ok = num("timeout"); !ok {
			return bad("invalid timeout")
		}
		switch strings.ToLower(fields["new_action"]) {
		case "alert":
			t.NewAction = rules.Alert
		case "drop":
			t.NewAction = rules.Drop
		case "pass":
			t.NewAction = rules.Pass
		case "reject":
			t.NewAction = rules.Reject
		case "log", "sdrop":
		default:
			return bad("invalid new_action")
		}
		return t, nil
	}
	switch fields["type"] {
	case "limit":
		t.Type = Limit
	case "threshold":
		t.Type = ThresholdEvery
	case "both":
		t.Type = Both
	case "backoff":
		t.Type = Backoff
		if t.Multiplier, ok = num("multiplier"); !ok || t.Multiplier < 2 || t.Multiplier > 65535 || t.Count > 65535 {
			return bad("invalid count or multiplier")
		}
		if t.Track != ByFlow {
			return bad("type backoff is for track by_flow only")
		}
		return t, nil
	default:
		return bad("invalid type")
	}
	if t.Seconds, ok = num("seconds"); !ok || t.Seconds == 0 {
		return bad("invalid seconds")
	}
	return t, nil
}

// applyThresholds adds the lines of threshold.config to the rules that they are for.
func (c *compiler) applyThresholds() {
	for i := range c.cfg.Thresholds {
		l := &c.cfg.Thresholds[i]
		found := false
		for _, x := range c.all {
			m := &x.r.meta
			exact := l.SID != 0
			if l.SID != 0 && (m.SID != l.SID || m.GID != l.GID) || l.SID == 0 && l.GID != 0 && m.GID != l.GID {
				continue
			}
			found = true
			t := l.Threshold
			switch {
			case t.Type == Suppress && t.Track == ByRule:
				x.r.alerts = false
			case t.Type == Suppress:
				x.r.suppress = append(x.r.suppress, &t)
			case !exact && len(x.r.thresholds) > 0:
				// What the rule itself says goes before lines for many rules.
			case t.Type == RateFilter:
				x.r.thresholds = append(x.r.thresholds, &t)
			default:
				// A line for the very rule replaces the rule's own.
				x.r.thresholds = append(x.r.thresholds[:0:0], &t)
			}
		}
		if !found && l.SID != 0 {
			c.warnings = append(c.warnings, problem("can't find signature with sid "+strconv.FormatUint(uint64(l.SID), 10)+" and gid "+strconv.FormatUint(uint64(l.GID), 10)+" for a threshold"))
		}
	}
}
