package detect

import "sync"

// NameKind is a name space of variables.
type NameKind uint8

// The name spaces.
const (
	FlowBit NameKind = iota
	FlowInt
	FlowVar
	HostBit
	IPPairBit
	TxBit
	PktVar
	nameKinds
)

// Names gives the names of flowbits and other variables their ids. Ids only grow and are kept across reloads, so that what
// flows and hosts have set stays valid.
type Names struct {
	mu    sync.RWMutex
	ids   [nameKinds]map[string]uint32
	names [nameKinds][]string
}

// NewNames returns an empty table.
func NewNames() *Names { return &Names{} }

// ID returns the id of a name, which it makes when it is new. Ids begin at 1.
func (n *Names) ID(k NameKind, name string) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.ids[k][name]; ok {
		return id
	}
	if n.ids[k] == nil {
		n.ids[k] = map[string]uint32{}
	}
	n.names[k] = append(n.names[k], name)
	id := uint32(len(n.names[k]))
	n.ids[k][name] = id
	return id
}

// Find returns the id of a name, or 0.
func (n *Names) Find(k NameKind, name string) uint32 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.ids[k][name]
}

// Name returns the name of an id, or "".
func (n *Names) Name(k NameKind, id uint32) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if id == 0 || int(id) > len(n.names[k]) {
		return ""
	}
	return n.names[k][id-1]
}
