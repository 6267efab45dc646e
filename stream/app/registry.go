package app

import (
	"sort"

	"sentinel/stream/flow"
)

// Registry gives the protocols of a list their ids. It is immutable once built.
type Registry struct {
	protos  []*Protocol // by id; nil for the reserved ids
	byName  map[string]ProtoID
	enabled []bool
}

// NewRegistry numbers the protocols in the order of the list. enabled says which of them parse (detection may still name the
// others); nil means all.
func NewRegistry(list []*Protocol, enabled func(*Protocol) bool) *Registry {
	r := &Registry{
		protos:  make([]*Protocol, flow.ProtoFirst, int(flow.ProtoFirst)+len(list)),
		byName:  map[string]ProtoID{},
		enabled: make([]bool, flow.ProtoFirst, int(flow.ProtoFirst)+len(list)),
	}
	for _, p := range list {
		id := ProtoID(len(r.protos))
		r.protos = append(r.protos, p)
		r.enabled = append(r.enabled, enabled == nil || enabled(p))
		r.byName[p.Name] = id
	}
	return r
}

// ByID returns the descriptor, or nil for the reserved and unknown ids.
func (r *Registry) ByID(id ProtoID) *Protocol {
	if int(id) < len(r.protos) {
		return r.protos[id]
	}
	return nil
}

// Enabled reports whether the protocol is parsed.
func (r *Registry) Enabled(id ProtoID) bool { return int(id) < len(r.enabled) && r.enabled[id] }

// ID finds a protocol by its own name.
func (r *Registry) ID(name string) ProtoID { return r.byName[name] }

// Len is one more than the highest id.
func (r *Registry) Len() int { return len(r.protos) }

// Rule returns the protocols that a name in a rule means: "http" is http1 and http2, "dns" is dns and dns over HTTP/2.
// Names are those of the descriptors and their aliases.
func (r *Registry) Rule(name string) []ProtoID {
	var ids []ProtoID
	for id, p := range r.protos {
		if p == nil {
			continue
		}
		match := p.Name == name
		for _, a := range p.Aliases {
			match = match || a == name
		}
		if match {
			ids = append(ids, ProtoID(id))
		}
	}
	return ids
}

// Names lists the protocols' names in order of the alphabet.
func (r *Registry) Names() []string {
	var names []string
	for _, p := range r.protos {
		if p != nil {
			names = append(names, p.Name)
		}
	}
	sort.Strings(names)
	return names
}

// EVEName is the name of a protocol in EVE's app_proto; "failed" after detection gave up, "" when unknown.
func (r *Registry) EVEName(id ProtoID) string {
	switch {
	case id == flow.ProtoFailed:
		return "failed"
	case id == flow.ProtoUnknown || r.ByID(id) == nil:
		return ""
	}
	p := r.ByID(id)
	switch {
	case p.AppProto != "":
		return p.AppProto
	case p.EVE != "":
		return p.EVE
	}
	return p.Name
}
