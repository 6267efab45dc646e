package detect

import "sentinel/stream"

// replace carries out what the replace keywords of a rule that has matched ask for. It is for frames that go on: passive, nothing is
// replaced. What was found first is written last, so that it counts where replacements overlap.
func (w *Worker) replace() {
	u := w.ctx.Unit
	p := u.Packet
	if !w.rs.cfg.IPS || !p.Writable() {
		return
	}
	for i := len(w.replacing) - 1; i >= 0; i-- {
		if x := &w.replacing[i]; p.Rewrite(x.At, x.With) {
			u.Flags |= stream.Modified
		}
	}
}
