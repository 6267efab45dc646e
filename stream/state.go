package stream

import (
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// State is the application layer of one flow.
type State struct {
	Proto  *app.Protocol // nil while the protocol is not known
	ID     app.ProtoID
	Parser app.Parser   // nil while there is none
	Events app.EventSet // events of the flow that belong to no transaction

	index   uint32
	search  search
	minTx   uint64 // all transactions up to this id are freed
	counted uint64 // highest transaction id that was counted
	fileID  uint32 // number of the next file
	updated [2]bool
	eof     [2]bool
	over    bool // a parser's error or opaque data: it is not called again
	dirty   bool // something happened since transactions were freed last
	change  bool // the parser asked for another protocol, which is not known yet
	next    app.ProtoID
	fresh   app.EventSet // flow events that output has not written
	Store   [2]bool      // by Dir: all files that are to come are stored
	old     *State       // what the flow spoke before, while a change goes on
	frames  *frameSet    // nil = none; pooled
}

// Next returns the first live transaction with an id above after. Begin with 0.
func (s *State) Next(after uint64) (app.Transaction, bool) {
	return s.Parser.Next(max(after, s.minTx))
}

// Complete is the progress value that means completion in a direction.
func (s *State) Complete(d app.Dir) uint8 {
	if n := len(s.Proto.States[d]); n > 0 {
		return uint8(n - 1)
	}
	return 1
}

// TxCount is how many transactions there were.
func (s *State) TxCount() uint64 { return s.counted }

// Progress is how far a transaction is in a direction; a one-way transaction is complete in the other.
func (s *State) Progress(tx *app.Tx, d app.Dir) uint8 {
	if tx.OneWay && tx.Way != d {
		return s.Complete(d)
	}
	return tx.Progress[d]
}

// Updated reports whether the parser saw something of direction d since rules last looked there.
func (s *State) Updated(d app.Dir) bool { return s.updated[d] }

// EOF reports whether direction d has ended.
func (s *State) EOF(d app.Dir) bool { return s.eof[d] }

// TakeEvents returns the flow's events that were not taken before.
func (s *State) TakeEvents() app.EventSet {
	e := s.fresh
	s.fresh = app.EventSet{}
	return e
}

// finished reports whether nothing more is to be done with a transaction.
func (e *Engine) finished(s *State, tx *app.Tx, opaque bool) bool {
	for d := app.ToServer; d <= app.ToClient; d++ {
		if s.Progress(tx, d) < s.Complete(d) {
			return false
		}
		if e.cfg.Detection && !opaque && !tx.InspectEnd[d] && !(tx.OneWay && tx.Way != d) {
			return false
		}
	}
	want := e.logMask[s.ID]
	return tx.Logged&want == want
}

// sweep frees the transactions of a flow that are done with.
func (e *Engine) sweep(u *Unit, s *State) {
	if s.Parser == nil || !s.dirty {
		return
	}
	s.dirty = false
	opaque := u.Flow.Has(flow.NoPacketInspect | flow.ActionPass)
	after, solid := s.minTx, true
	for {
		t, ok := s.Parser.Next(after)
		if !ok {
			if solid {
				s.minTx = after
			}
			return
		}
		tx := t.Base()
		id := tx.ID
		if e.finished(s, tx, opaque) {
			e.freeTx(u.Flow, s, tx)
		} else if solid {
			solid = false
			s.minTx = after
		}
		after = id
	}
}

func (e *Engine) freeTx(f *flow.Flow, s *State, tx *app.Tx) {
	e.run.TxFree(f, tx)
	for d := range tx.Files {
		tx.Files[d].Clear(e.recycle)
	}
	s.Parser.Free(tx.ID)
}

// maxSpareFiles bounds the files kept for reuse.
const maxSpareFiles = 64

func (e *Engine) putFile(f *file.File) {
	f.Saved()
	if len(e.files) < maxSpareFiles {
		e.files = append(e.files, f)
	}
}

func (e *Engine) getFile() *file.File {
	if n := len(e.files); n > 0 {
		f := e.files[n-1]
		e.files = e.files[:n-1]
		return f
	}
	return new(file.File)
}
