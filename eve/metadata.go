package eve

import "sentinel/stream"

// metadata writes what rules captured from a packet, whatever the eve-log's own switch says.
func (w *Worker) metadata(u *stream.Unit) {
	for i := range w.o.metadata {
		l := &w.o.metadata[i]
		w.begin(&l.common, u, asPacket, "metadata")
		if !l.common.vars {
			w.vars.Append(u.Flow, true, &w.b)
		}
		w.emit(l, TypeMetadata)
	}
}
