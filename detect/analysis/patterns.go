package analysis

import (
	"fmt"
	"strings"

	"sentinel/detect"
	"sentinel/internal/jsonw"
)

// counted is one pattern of a buffer and how often rules look for it.
type counted struct {
	c         *detect.Condition
	count     uint64
	fastCount uint64
}

// counts is the patterns of one buffer.
type counts struct {
	name  string
	list  []*counted
	index map[string]*counted
}

func (s *counts) add(c *detect.Condition, times int) {
	k := c.Content
	if k == nil {
		return
	}
	key := fmt.Sprint(k.Nocase, k.Negated, k.HasDepth || k.StartsWith, k.HasOffset, k.EndsWith, string(k.Pattern()))
	x := s.index[key]
	if x == nil {
		x = &counted{c: c}
		s.index[key] = x
		s.list = append(s.list, x)
	}
	x.count += uint64(times)
	if c.Fast {
		x.fastCount += uint64(times)
	}
}

// patternsJSON is patterns.json: the patterns of all rules by buffer. A rule counts once for each place where it looks in
// transactions, and twice on the payload, which may be a packet's or the stream's.
func patternsJSON(rules []detect.Description) []byte {
	var all []*counts
	byName := map[string]*counts{}
	at := func(keyword string, transforms ...string) *counts {
		name := nameOf(keyword)
		key := name + " " + strings.Join(transforms, " ")
		s := byName[key]
		if s == nil {
			s = &counts{name: name, index: map[string]*counted{}}
			byName[key] = s
			all = append(all, s)
		}
		return s
	}
	payload := at("")
	for i := range rules {
		d := &rules[i]
		if !d.Stateful {
			for k := range d.Payload {
				payload.add(&d.Payload[k], 2)
			}
		}
		for _, list := range [2][]detect.DescribedEngine{d.PacketEngines, d.Engines} {
			for k := range list {
				e := &list[k]
				s := payload
				if e.Name != "stream" {
					if len(e.Conditions) == 0 {
						continue
					}
					s = at(e.Name, e.Transforms...)
				}
				for n := range e.Conditions {
					s.add(&e.Conditions[n], 1)
				}
			}
		}
	}
	return object(func(w *jsonw.Builder) {
		w.OpenArray("buffers")
		for i, s := range all {
			if len(s.list) == 0 {
				continue
			}
			w.StartObject()
			w.String("name", s.name)
			w.Uint("list_id", uint64(i)+1)
			w.OpenArray("patterns")
			for _, x := range s.list {
				k := x.c.Content
				w.StartObject()
				w.String("pattern", ruleForm(k.Pattern()))
				w.Uint("patlen", uint64(len(k.Data)))
				w.Uint("cnt", x.count)
				w.Uint("mpm", x.fastCount)
				w.OpenObject("flags")
				w.Bool("nocase", k.Nocase)
				w.Bool("negated", k.Negated)
				w.Bool("depth", k.HasDepth || k.StartsWith)
				w.Bool("offset", k.HasOffset)
				w.Bool("endswith", k.EndsWith)
				w.Close()
				w.Close()
			}
			w.Close()
			w.Close()
		}
		w.Close()
	})
}
