package eve

import (
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// txLogger writes the transactions of a protocol.
type txLogger struct {
	logger
	node     *conf.Node
	flags    uint64 // the protocol's
	extended bool
	bit      uint32
}

// maxParts bounds the events of one transaction.
const maxParts = 1024

// application writes what the application layer has ready: anomalies of the flow, files, transactions.
func (w *Worker) application(u *stream.Unit, s *stream.State) {
	o := w.o
	if o.anomalyApp {
		if e := s.TakeEvents(); !e.Empty() {
			w.flowAnomalies(u, s, &e)
		}
	}
	if !u.Has(stream.Pseudo) && !s.Updated(app.ToServer) && !s.Updated(app.ToClient) || s.Parser == nil || int(s.ID) >= len(o.masks) {
		return
	}
	if u.Packet.Proto == protoTCP && !u.Has(stream.StreamEstablished) {
		return
	}
	if o.certs != nil && s.ID == o.certs.proto {
		o.certs.keep(w, u, s)
	}
	mask := o.masks[s.ID]
	if mask == 0 && !o.anomalyApp {
		return
	}
	eof := s.EOF(app.ToServer) && s.EOF(app.ToClient)
	// Beyond the stream depth nothing more comes: transactions count as complete.
	var cut [2]bool
	if ssn := u.Session(); ssn != nil {
		cut = [2]bool{ssn.Stream[0].DepthReached(), ssn.Stream[1].DepthReached()}
	}
	var complete, at [2]uint8
	for d := range complete {
		complete[d] = s.Complete(app.Dir(d))
		if at[d] = s.Proto.LogAt[d]; at[d] == 0 {
			at[d] = complete[d]
		}
	}
	for t, ok := s.Next(0); ok; {
		tx := t.Base()
		id := tx.ID
		progress := [2]uint8{s.Progress(tx, app.ToServer), s.Progress(tx, app.ToClient)}
		for d := range cut {
			if cut[d] {
				progress[d] = complete[d]
			}
		}
		if mask&fileBit&^tx.Logged != 0 {
			ready := [2]bool{progress[0] >= complete[0], progress[1] >= complete[1]}
			w.txFiles(u, s, t, tx, ready, eof)
		}
		if o.anomalyApp && (tx.Events != tx.EventsSeen || len(tx.Again) > 0) {
			w.txAnomalies(u, s, tx)
		}
		switch {
		case tx.LogFlags != 0:
			tx.Logged |= mask
		case mask&^tx.Logged == 0:
		case eof || progress[0] >= at[0] && progress[1] >= at[1]:
			loggers := o.txs[s.ID]
			for i := range loggers {
				if l := &loggers[i]; tx.Logged&l.bit == 0 {
					w.tx(u, s, l, t, tx)
					tx.Logged |= l.bit
				}
			}
		}
		t, ok = s.Next(id)
	}
}

// towards turns the directions that depend on a transaction into those of the flow.
func towards(d direction, u *stream.Unit, tx *app.Tx) direction {
	switch {
	case d == asMessage4 && (u.Flow == nil || u.Flow.Proto != protoTCP):
		return asPacket
	case d != asMessage && d != asMessage4:
		return d
	case tx.OneWay && tx.Way == flow.ToClient:
		return toClient
	}
	return toServer
}

// tx writes one transaction.
func (w *Worker) tx(u *stream.Unit, s *stream.State, l *txLogger, t app.Transaction, tx *app.Tx) {
	lay := &w.o.layouts[s.ID]
	dir := towards(lay.dir, u, tx)
	if l.flags&app.LogAsFlow != 0 {
		dir = asFlow
	}
	b := &w.b
	opt := &w.logOpt
	for part := 0; part < maxParts; part++ {
		*opt = app.LogOptions{Node: l.node, Extended: l.extended, Flow: u.Flow, Dir: u.Dir, Flags: l.flags, Part: part}
		w.begin(&l.common, u, dir, lay.event)
		if lay.txID {
			b.Uint("tx_id", tx.ID-1)
		}
		b.OpenObject(lay.key)
		ok := s.Proto.Log(t, b, opt)
		more := opt.More
		if ok {
			for b.Depth() > 1 {
				b.Close()
			}
			if s.Proto.Beside != nil {
				s.Proto.Beside(t, b, opt)
			}
			if l.common.xff.on {
				w.txXFF(u, s, &l.common.xff, t)
			}
			w.counts.Tx[s.ID]++
			w.emit(&l.logger, TypeTx)
		}
		if !more {
			return
		}
	}
}

// txXFF adds the client's address behind a proxy to an http event.
func (w *Worker) txXFF(u *stream.Unit, s *stream.State, x *xff, t app.Transaction) {
	ip := w.forwarded(x, s, t)
	switch {
	case ip == nil:
	case !x.overwrite:
		w.b.Str("xff", ip)
	case u.Dir == app.ToClient:
		w.b.Str("dest_ip", ip)
	default:
		w.b.Str("src_ip", ip)
	}
}

// context adds a transaction's object to an alert, or with l nil to a file's event.
func (w *Worker) context(u *stream.Unit, s *stream.State, t app.Transaction, n *conf.Node, flags uint64, l *alertLogger) {
	p := s.Proto
	f := p.Meta
	if f == nil {
		f = p.Log
	}
	if f == nil {
		return
	}
	b, opt := &w.b, &w.logOpt
	*opt = app.LogOptions{Node: n, Extended: true, Flow: u.Flow, Dir: u.Dir, Alert: true, Flags: flags}
	mark, depth := b.Mark(), b.Depth()
	b.OpenObject(w.o.layouts[s.ID].key)
	if !f(t, b, opt) {
		for b.Depth() > depth+1 {
			b.Close()
		}
		b.Rollback(mark)
	} else if l != nil && (l.body || l.bodyPrintable) && p.Name == "http1" {
		w.bodies(p, t, l)
	}
	for b.Depth() > depth {
		b.Close()
	}
	if p.Beside != nil {
		p.Beside(t, b, opt)
	}
}

// bodyKeys are the buffers of HTTP's bodies, and their keys in alerts.
var bodyKeys = [2][3]string{
	{"http.request_body", "http_request_body_printable", "http_request_body"},
	{"http.response_body", "http_response_body_printable", "http_response_body"},
}

// bodies adds what is kept of the bodies of a request and its response.
func (w *Worker) bodies(p *app.Protocol, t app.Transaction, l *alertLogger) {
	var kept [2][]byte
	for d := range kept {
		for i := range p.Buffers {
			x := &p.Buffers[i]
			if x.Stream == nil || x.Name != bodyKeys[d][0] {
				continue
			}
			if body := x.Stream(t, app.Dir(d)); body != nil {
				kept[d], _ = body.All()
			}
			break
		}
	}
	for d, data := range kept {
		if l.bodyPrintable && len(data) > 0 {
			w.b.Printable(bodyKeys[d][1], data)
		}
	}
	for d, data := range kept {
		if l.body && len(data) > 0 {
			w.b.Base64(bodyKeys[d][2], data)
		}
	}
}
