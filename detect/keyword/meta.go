package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// meta lists the keywords that say something of the rule itself.
func meta() []detect.Keyword {
	return []detect.Keyword{
		{Name: "sid", Doc: "set rule ID", Setup: func(b *detect.Builder, v string) error {
			n, err := number32(v)
			if err != nil || n == 0 {
				return problem("invalid input as arg to sid keyword")
			}
			return b.SID(n)
		}},
		{Name: "gid", Doc: "give different groups of signatures another id value", Setup: func(b *detect.Builder, v string) error {
			n, err := number32(v)
			if err != nil {
				return problem("invalid input as arg to gid keyword")
			}
			b.Meta().GID = n
			return nil
		}},
		{Name: "rev", Doc: "set version of the rule", Setup: func(b *detect.Builder, v string) error {
			n, err := number32(v)
			if err != nil || n == 0 {
				return problem("invalid input as arg to rev keyword")
			}
			if b.Meta().Rev != 0 {
				return problem("duplicated 'rev' keyword detected")
			}
			b.Meta().Rev = n
			return nil
		}},
		{Name: "msg", Doc: "information about the rule and the possible alert", Flags: detect.Quoted, Setup: msg},
		{Name: "classtype", Doc: "information about the classification of rules and alerts", Flags: detect.MaybeQuoted, Setup: func(b *detect.Builder, v string) error {
			b.SetClass(strings.TrimSpace(v))
			return nil
		}},
		{Name: "priority", Doc: "rules with a higher priority will be examined first", Setup: func(b *detect.Builder, v string) error {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 8)
			if err != nil || n > 255 {
				return problem("invalid input as arg to priority keyword")
			}
			b.SetPriority(uint8(n))
			return nil
		}},
		{Name: "reference", Doc: "direct to places where information about the rule can be found", Setup: reference},
		{Name: "metadata", Doc: "used for logging", Setup: metadata},
		{Name: "target", Doc: "indicate to output module which side is the target of the attack", Setup: func(b *detect.Builder, v string) error {
			side := detect.NoTarget
			switch v {
			case "src_ip":
				side = detect.SrcIP
			case "dest_ip":
				side = detect.DestIP
			default:
				return problem("only 'src_ip' and 'dest_ip' are supported as target value")
			}
			if old := b.Meta().Target; old != detect.NoTarget && old != side {
				return problem("Conflicting values of target keyword")
			}
			b.Meta().Target = side
			return nil
		}},
		{Name: "requires", Doc: "require Suricata version or features", Setup: requires},
		{Name: "prefilter", Doc: "force a condition to be used as prefilter", Flags: detect.NoValue, Setup: func(b *detect.Builder, _ string) error {
			return b.Prefilter()
		}},
	}
}

func number32(v string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
	return uint32(n), err
}

func msg(b *detect.Builder, v string) error {
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++ // whatever follows, even what needs no escape
		}
		out = append(out, v[i])
	}
	if b.Meta().Msg != "" {
		return problem("duplicated 'msg' keyword detected")
	}
	b.Meta().Msg = string(out)
	return nil
}

func reference(b *detect.Builder, v string) error {
	key, text, ok := strings.Cut(v, ",")
	key, text = strings.TrimSpace(key), strings.TrimSpace(text)
	if !ok || key == "" || text == "" {
		return problem("unable to parse \"reference\" keyword argument - \"" + v + "\". Invalid argument.")
	}
	if i := strings.IndexByte(text, ' '); i >= 0 {
		text = text[:i]
	}
	url, known := b.Config().References.URL(key)
	if !known {
		if b.Config().StrictRuleKeywords {
			return problem("unknown reference key \"" + key + "\"")
		}
		b.Warn("reference", "unknown reference key \""+key+"\"")
	}
	b.Meta().References = append(b.Meta().References, detect.Reference{Key: strings.ToLower(key), URL: url + text})
	return nil
}

func metadata(b *detect.Builder, v string) error {
	m := b.Meta()
	for _, part := range strings.Split(v, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), " ")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		found := false
		for i := range m.Metadata {
			if m.Metadata[i].Key == key {
				m.Metadata[i].Values = append(m.Metadata[i].Values, value)
				found = true
			}
		}
		if !found {
			m.Metadata = append(m.Metadata, detect.KeyValues{Key: key, Values: []string{value}})
		}
	}
	return nil
}
