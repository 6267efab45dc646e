package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// threshold limits how often the rule alerts.
func threshold() detect.Keyword {
	return detect.Keyword{Name: "threshold", Doc: "control the rule's alert frequency", Flags: detect.IPOnlyOK, Setup: func(b *detect.Builder, v string) error {
		if b.Thresholds() > 0 {
			return problem("multiple \"threshold\" options are not allowed in the same rule")
		}
		f, err := limits(v, "type", "track", "count", "seconds", "multiplier")
		if err != nil {
			return err
		}
		var t detect.Threshold
		types := map[string]detect.ThresholdType{"limit": detect.Limit, "threshold": detect.ThresholdEvery, "both": detect.Both, "backoff": detect.Backoff}
		var ok bool
		if t.Type, ok = types[f["type"]]; !ok {
			return problem("invalid type \"" + f["type"] + "\"")
		}
		if t.Track, err = track(f["track"]); err != nil {
			return err
		}
		if t.Count, err = positive("count", f["count"]); err != nil {
			return err
		}
		if t.Type == detect.Backoff {
			if f["seconds"] != "" {
				return problem("seconds is not for type backoff")
			}
			if t.Multiplier, err = positive("multiplier", f["multiplier"]); err != nil {
				return err
			}
			switch {
			case t.Count > 65535:
				return problem("invalid count value '" + f["count"] + "': must be in the range 1-65535")
			case t.Multiplier < 2 || t.Multiplier > 65535:
				return problem("invalid multiplier value '" + f["multiplier"] + "': must be in the range 2-65535")
			case t.Track != detect.ByFlow:
				return problem("invalid track value: type backoff only supported for track by_flow")
			}
		} else {
			if f["multiplier"] != "" {
				return problem("multiplier is for type backoff only")
			}
			if t.Seconds, err = positive("seconds", f["seconds"]); err != nil {
				return err
			}
		}
		b.Threshold(t)
		return nil
	}}
}

// detectionFilter lets the rule match only after a number of matches in a time.
func detectionFilter() detect.Keyword {
	return detect.Keyword{Name: "detection_filter", Doc: "alert on every match after a threshold has been reached", Flags: detect.IPOnlyOK, Setup: func(b *detect.Builder, v string) error {
		if b.Thresholds() > 0 {
			return problem("\"detection_filter\" and \"threshold\" are not allowed in the same rule")
		}
		f, err := limits(v, "track", "count", "seconds", "unique_on")
		if err != nil {
			return err
		}
		t := detect.Threshold{Type: detect.DetectionFilter}
		if t.Track, err = track(f["track"]); err != nil {
			return err
		}
		if t.Count, err = positive("count", f["count"]); err != nil {
			return err
		}
		if t.Seconds, err = positive("seconds", f["seconds"]); err != nil {
			return err
		}
		switch f["unique_on"] {
		case "":
		case "src_port":
			t.Unique = detect.UniqueSrcPort
		case "dst_port":
			t.Unique = detect.UniqueDstPort
		default:
			return problem("invalid unique_on \"" + f["unique_on"] + "\"")
		}
		if t.Unique != detect.NotUnique {
			if t.Track == detect.ByFlow {
				return problem("unique_on is not for track by_flow")
			}
			if b.ProtoAny() || !b.HasProto(6) && !b.HasProto(17) && !b.HasProto(132) {
				return problem("unique_on needs a protocol with ports: tcp, udp or sctp")
			}
		}
		b.Threshold(t)
		return nil
	}}
}

// limits reads "name value" pairs, each at most once.
func limits(v string, names ...string) (map[string]string, error) {
	f := map[string]string{}
	for _, part := range strings.Split(v, ",") {
		part = strings.TrimSpace(part)
		k, x, ok := strings.Cut(part, " ")
		known := false
		for _, n := range names {
			known = known || n == k
		}
		if !known && len(f) >= len(names)-1 {
			break // the reference does not look at what follows
		}
		x, _, _ = strings.Cut(strings.TrimSpace(x), " ")
		if !ok || !known {
			return nil, problem("cannot parse \"" + part + "\" in \"" + v + "\"")
		}
		if _, dup := f[k]; dup {
			return nil, problem(k + " is there twice")
		}
		f[k] = strings.TrimSpace(x)
	}
	return f, nil
}

func track(v string) (detect.Track, error) {
	switch v {
	case "by_src":
		return detect.BySrc, nil
	case "by_dst":
		return detect.ByDst, nil
	case "by_both":
		return detect.ByBoth, nil
	case "by_rule":
		return detect.ByRule, nil
	case "by_flow":
		return detect.ByFlow, nil
	}
	return 0, problem("invalid track \"" + v + "\"")
}

func positive(name, v string) (uint32, error) {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == 0 {
		return 0, problem("invalid " + name + " \"" + v + "\"")
	}
	return uint32(n), nil
}
