package sentinel

import (
	"slices"
	"strings"

	"sentinel/detect/keyword"
	"sentinel/detect/mpm/hyperscan"
	"sentinel/detect/transform"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/app/all"
)

// Simulate makes faults happen, for tests.
type Simulate = stream.Simulate

// Keyword describes a word of the rule language.
type Keyword struct {
	Name      string
	Doc       string
	Protocols []string // that have it; none for those of no protocol
	Sticky    bool     // a buffer
	Transform bool
}

// refused are keywords that rules are told apart by, but that no rule can use yet.
var refused = map[string]bool{"geoip": true, "lua": true}

// Keywords lists all keywords that rules can use, in the order of the alphabet.
func Keywords() []Keyword {
	byName := map[string]*Keyword{}
	add := func(name, doc string) *Keyword {
		k := byName[name]
		if k == nil {
			k = &Keyword{Name: name}
			byName[name] = k
		}
		if k.Doc == "" {
			k.Doc = doc
		}
		return k
	}
	for _, k := range keyword.All() {
		if !refused[k.Name] {
			add(k.Name, k.Doc)
		}
	}
	for _, t := range transform.All() {
		add(t.Name, t.Doc).Transform = true
	}
	for _, p := range all.Protocols() {
		of := func(k *Keyword) *Keyword {
			if !slices.Contains(k.Protocols, p.Name) {
				k.Protocols = append(k.Protocols, p.Name)
			}
			return k
		}
		for _, b := range p.Buffers {
			of(add(b.Name, b.Doc)).Sticky = true
			if b.Legacy != "" {
				of(add(b.Legacy, "modifies the content before it: "+b.Doc))
			}
		}
		for _, n := range p.Numbers {
			of(add(n.Name, n.Doc))
		}
		for _, m := range p.Matches {
			of(add(m.Name, m.Doc))
		}
	}
	out := make([]Keyword, 0, len(byName))
	for _, k := range byName {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b Keyword) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Protocols lists the application protocols by the names that rules use.
func Protocols() []string {
	var names []string
	for _, p := range all.Protocols() {
		names = append(names, p.Name)
	}
	return names
}

// Hooks lists the states of the protocols that rules can hang on: "http1:request_line".
func Hooks() []string {
	var names []string
	for _, p := range all.Protocols() {
		for _, dir := range []app.Dir{app.ToServer, app.ToClient} {
			for _, state := range p.States[dir] {
				names = append(names, p.Name+":"+state)
			}
		}
	}
	return names
}

// Features names what this build has of the parts that a build may lack.
func Features() map[string]bool {
	return map[string]bool{"hyperscan": hyperscan.Available, "pcre2": hyperscan.Available}
}

// Frames lists the frames of the application protocols, with their transport, as the keyword frame knows them: "tcp: tls.pdu".
func Frames() []string {
	var out []string
	for _, p := range all.Protocols() {
		if len(p.Frames) == 0 {
			continue
		}
		if p.Transport&app.TCP != 0 {
			out = append(out, "tcp: "+p.Name+"."+app.StreamFrameName)
			for _, f := range p.Frames {
				out = append(out, "tcp: "+p.Name+"."+f)
			}
		}
		if p.Transport&app.UDP != 0 {
			for _, f := range p.Frames {
				out = append(out, "udp: "+p.Name+"."+f)
			}
		}
	}
	return out
}
