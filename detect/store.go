package detect

import (
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// body adds the window of a body to the chunks. What was handed out counts as seen when the packet is done.
func (w *Worker) body(s *file.Stream, force bool) {
	b, off, eof, ok := s.Window(force)
	if !ok {
		return
	}
	w.bodies = append(w.bodies, s)
	w.chunks = append(w.chunks, chunk{data: b, offset: off, end: eof})
}

// room is free memory for a transform; keep keeps what was appended to it.
func (w *Worker) room() []byte {
	if cap(w.work)-len(w.work) < 4096 {
		w.work = make([]byte, 0, max(2*cap(w.work), 1<<16))
	}
	return w.work[len(w.work):][:0]
}

func (w *Worker) keep(b []byte) {
	n := len(w.work)
	if len(b) > 0 && n+len(b) <= cap(w.work) && &w.work[:n+1][n] == &b[0] {
		w.work = w.work[:n+len(b)]
	}
}

// storeFiles marks the files of a transaction that filestore asks for.
func (w *Worker) storeFiles(run *txRun, r *compiled, d flow.Dir) {
	for _, x := range [2]flow.Dir{flow.ToServer, flow.ToClient} {
		if r.storeScope == StoreFile && x != d {
			continue
		}
		l := &run.base.Files[x]
		for i := 0; i < l.Len(); i++ {
			f := l.At(i)
			if f.Flags&file.NoStore != 0 {
				continue
			}
			f.Flags |= file.Store
			if len(f.Sids) < 16 {
				known := false
				for _, s := range f.Sids {
					known = known || s == r.meta.SID
				}
				if !known {
					f.Sids = append(f.Sids, r.meta.SID)
				}
			}
		}
	}
}

// StoreScope is what filestore stores.
type StoreScope uint8

// The scopes.
const (
	StoreFile StoreScope = iota // the file that matched
	StoreTx                     // all files of the transaction
	StoreFlow                   // all files of the flow
)
