package detect

import (
	"sentinel/stream"
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

// storeFiles marks the files that filestore asks for: those that the rule is about, or all of the transaction or flow, those to
// come too.
func (w *Worker) storeFiles(u *stream.Unit, run *txRun, r *compiled, d flow.Dir) {
	if !w.rs.cfg.FileStore {
		return
	}
	u.StoreFiles = true
	for _, x := range [2]flow.Dir{flow.ToServer, flow.ToClient} {
		switch r.storeScope {
		case StoreFile:
			if x != d {
				continue
			}
		case StoreTx:
			if !r.storeDirs[x] {
				continue
			}
			run.base.Store[x] = true
		case StoreFlow:
			if !r.storeDirs[x] {
				continue
			}
			u.App.Store[x] = true
		}
		l := &run.base.Files[x]
		for i := 0; i < l.Len(); i++ {
			f := l.At(i)
			if f.Flags&file.NoStore != 0 || r.storeScope == StoreFile && !w.isAbout(r, f, d) {
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

// isAbout reports whether a file meets the conditions on files of a rule that matched.
func (w *Worker) isAbout(r *compiled, f *file.File, d flow.Dir) bool {
	for i := range r.tx {
		e := &r.tx[i]
		if e.kind != onFiles || e.dir != d {
			continue
		}
		for _, m := range e.files {
			if !m.MatchFile(&w.ctx, f) {
				return false
			}
		}
	}
	return true
}

// StoreScope is what filestore stores.
type StoreScope uint8

// The scopes.
const (
	StoreFile StoreScope = iota // the file that matched
	StoreTx                     // all files of the transaction
	StoreFlow                   // all files of the flow
)
