package eve

import (
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

type fileLogger struct {
	logger
	node *conf.Node
}

func (o *Output) addFiles(n *conf.Node, l logger) error {
	x := fileLogger{logger: l, node: n}
	if t := newXFF(n.Get("xff"), o.warn); t.set {
		x.common.xff = t
	}
	if err := o.forceHash(n); err != nil {
		return err
	}
	if n.Get("force-filestore").IsTrue() {
		o.fileFlags |= file.Store
	}
	if n.Get("force-magic").IsTrue() {
		o.fileFlags |= file.WantMagic
		o.magic = true
	}
	o.files = merge(o, o.files, x, func(x *fileLogger) *logger { return &x.logger }, func(a, b *fileLogger) bool { return true })
	for id := range o.masks {
		o.masks[id] |= fileBit
	}
	return nil
}

// txFiles writes the files of a transaction that have ended: those of the packet's direction, and at the end of the flow of
// both. When nothing more can come the transaction may go.
func (w *Worker) txFiles(u *stream.Unit, s *stream.State, t app.Transaction, tx *app.Tx, ready [2]bool, eof bool) {
	over := [2]bool{}
	for d := flow.ToServer; d <= flow.ToClient; d++ {
		if d == u.Dir || eof {
			w.dirFiles(u, s, t, tx, d, eof)
		}
		over[d] = allLogged(&tx.Files[d]) && (eof || ready[d] || s.EOF(d))
	}
	if over[0] && over[1] {
		tx.Logged |= fileBit
	}
}

// allLogged reports whether all files are written. It passes over those at the front for good: a transaction may have very many.
func allLogged(l *file.List) bool {
	for l.Past < l.Len() && l.At(l.Past).Flags&file.Logged != 0 {
		l.Past++
	}
	return l.Past == l.Len()
}

func (w *Worker) dirFiles(u *stream.Unit, s *stream.State, t app.Transaction, tx *app.Tx, d flow.Dir, eof bool) {
	files := &tx.Files[d]
	n := files.Len()
	if allLogged(files) { // none, too
		return
	}
	end := eof || u.Has(stream.EndOfFlow)
	if !end {
		if ssn := u.Session(); ssn != nil && ssn.Stream[d].DepthReached() {
			end = true
		}
	}
	for i := files.Past; i < n; i++ {
		f := files.At(i)
		if f.Flags&file.Logged != 0 {
			continue
		}
		if end && f.State == file.Open {
			if w.o.store == nil || f.Flags&file.Store == 0 {
				f.Flags &^= file.PartSHA256 // it was not the protocol that ended it
			}
			f.Close(file.Truncated)
		}
		if w.o.store != nil {
			w.store(u, s, t, tx, f, d)
		}
		if f.State == file.Open {
			continue
		}
		f.Flags |= file.Logged
		if w.o.magic {
			f.Identify()
		}
		for k := range w.o.files {
			w.file(u, &w.o.files[k], s, t, tx, f, d)
		}
	}
}

// file writes one file.
func (w *Worker) file(u *stream.Unit, l *fileLogger, s *stream.State, t app.Transaction, tx *app.Tx, f *file.File, d flow.Dir) {
	w.buildFile(&l.common, u, s, t, tx, f, d)
	w.emit(&l.logger, TypeFile)
}

// buildFile builds the event of a file, without its end.
func (w *Worker) buildFile(c *common, u *stream.Unit, s *stream.State, t app.Transaction, tx *app.Tx, f *file.File, d flow.Dir) {
	b := &w.b
	dir := toServer
	if d == flow.ToClient {
		dir = toClient
	}
	swap := swapped(u, dir)
	addrs := sidesOf(u.Packet, swap)
	var xff []byte
	if x := &c.xff; x.on {
		if xff = w.forwarded(x, s, t); xff != nil && x.overwrite {
			addrs.xff, addrs.xffDst, xff = xff, u.Dir == flow.ToClient, nil
		}
	}
	w.beginWith(c, u, &addrs, swap, "fileinfo")
	w.context(u, s, t, nil, 0, nil)
	b.String("app_proto", w.o.name(u.Flow.App))
	b.OpenObject("fileinfo")
	w.fileInfo(f, tx.ID)
	b.Close()
	if xff != nil {
		b.Str("xff", xff)
	}
}

// fileInfo adds the members of a file.
func (w *Worker) fileInfo(f *file.File, txID uint64) {
	b := &w.b
	b.Str("filename", f.Name)
	if len(f.Sids) > 0 {
		b.OpenArray("sid")
		for _, sid := range f.Sids {
			b.ElemUint(uint64(sid))
		}
		b.Close()
	}
	if len(f.Magic) > 0 {
		b.Str("magic", f.Magic)
	}
	b.Bool("gaps", f.Flags&file.HasGaps != 0)
	b.String("state", f.State.String())
	if f.State == file.Closed {
		if f.HasMD5 {
			b.Hex("md5", f.MD5[:])
		}
		if f.HasSHA1 {
			b.Hex("sha1", f.SHA1[:])
		}
	}
	if f.HasSHA256 {
		b.Hex("sha256", f.SHA256[:])
	}
	if f.Flags&file.Stored != 0 {
		b.Bool("stored", true)
		b.Uint("file_id", uint64(f.StoreID))
	} else {
		b.Bool("stored", false)
		if f.Flags&file.Store != 0 {
			b.Bool("storing", true)
		}
	}
	b.Uint("size", f.Size())
	if f.Flags&file.HasRange != 0 && f.End > 0 {
		b.Uint("start", f.Start)
		b.Uint("end", f.End)
	}
	b.Uint("tx_id", txID-1)
}

// txFileList adds the files of a transaction to an alert.
func (w *Worker) txFileList(tx *app.Tx, d flow.Dir) {
	l := &tx.Files[d]
	if l.Len() == 0 {
		return
	}
	w.b.OpenArray("files")
	for i := range l.Len() {
		w.b.StartObject()
		w.fileInfo(l.At(i), tx.ID)
		w.b.Close()
	}
	w.b.Close()
}
