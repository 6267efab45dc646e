package detect

import (
	"sort"

	"sentinel/rules"
)

// OrderKind is a kind of variable that decides the order of rules.
type OrderKind uint8

// The kinds, in order of weight.
const (
	OrderFlowbits OrderKind = iota
	OrderFlowint
	OrderFlowvar
	OrderPktvar
	OrderHostbits
	OrderIPPairbits
	orderKinds
)

// orderKey is what a rule does with variables.
type orderKey struct{ read, write [orderKinds]bool }

// rank is higher for what comes first: writers, then those that do both, readers, and the rest.
func (k *orderKey) rank(i OrderKind) int {
	switch {
	case k.write[i] && !k.read[i]:
		return 3
	case k.write[i]:
		return 2
	case k.read[i]:
		return 1
	}
	return 0
}

// order sorts the rules into the order of evaluation: action, variables, priority, sid (the user guide says load order; the
// reference decides by sid).
func (c *compiler) order() {
	action := func(a rules.Action) int {
		if a.Rejects() {
			a = rules.Reject
		}
		for i, x := range c.cfg.ActionOrder {
			if x == a {
				return i
			}
		}
		return 10
	}
	sort.SliceStable(c.all, func(i, j int) bool {
		a, b := c.all[i].r, c.all[j].r
		if x, y := action(a.meta.Action), action(b.meta.Action); x != y {
			return x < y
		}
		for k := OrderKind(0); k < orderKinds; k++ {
			if x, y := a.order.rank(k), b.order.rank(k); x != y {
				return x > y
			}
		}
		if a.meta.Priority != b.meta.Priority {
			return a.meta.Priority < b.meta.Priority
		}
		return a.meta.SID < b.meta.SID
	})
	for i, x := range c.all {
		x.r.num = uint32(i)
	}
}
