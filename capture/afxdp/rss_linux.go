package afxdp

import "sentinel/internal/machine"

// symmetricRSS reports whether a card is known to bring both directions of a flow to the same queue: it mixes the two sides of a flow
// before it hashes, or its key makes no difference between them.
func symmetricRSS(d device) bool {
	f := machine.Interface{Name: d.name, Index: d.index}
	if ask := machine.Here().Ask; ask != nil {
		ask(&f)
	}
	return f.RSS.Symmetric || f.RSS.Function == "toeplitz" && machine.SymmetricKey(f.RSS.Key)
}
