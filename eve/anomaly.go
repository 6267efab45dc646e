package eve

import (
	"math/bits"
	"strings"

	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// anomalyOptions are the switches of the anomaly type.
type anomalyOptions struct {
	decode, stream, applayer, header bool
}

type anomalyLogger struct {
	logger
	anomalyOptions
}

func (o *Output) addAnomaly(n *conf.Node, l logger) error {
	t := n.Get("types")
	x := anomalyLogger{logger: l, anomalyOptions: anomalyOptions{
		decode: t.Get("decode").IsTrue(), stream: t.Get("stream").IsTrue(), applayer: t.Get("applayer").Bool(true),
		header: n.Get("packethdr").IsTrue(),
	}}
	if x.header && !x.decode {
		o.warn("anomaly: packethdr needs types.decode; no headers are written")
		x.header = false
	}
	if !x.decode && !x.stream && !x.applayer {
		o.warn("anomaly: no type is selected")
	}
	o.anomalies = merge(o, o.anomalies, x, func(x *anomalyLogger) *logger { return &x.logger },
		func(a, b *anomalyLogger) bool { return a.anomalyOptions == b.anomalyOptions })
	o.anomalyDecode = o.anomalyDecode || x.decode
	o.anomalyStream = o.anomalyStream || x.stream
	o.anomalyApp = o.anomalyApp || x.applayer
	return nil
}

// headerBytes is how much of a packet its anomalies show.
const headerBytes = 32

// layerEventNames are the names of events that no protocol owns: in capitals.
var layerEventNames = func() (n [stream.LayerEventCount]string) {
	for e := range n {
		n[e] = strings.ToUpper(stream.LayerEvent(e).String())
	}
	return n
}()

// packetAnomalies writes what decoding, TCP tracking and protocol detection found odd about a packet.
func (w *Worker) packetAnomalies(u *stream.Unit) {
	o, b := w.o, &w.b
	if o.anomalyDecode || o.anomalyStream {
		for e, ok := u.Packet.Events.Next(0); ok; e, ok = u.Packet.Events.Next(e + 1) {
			for i := range o.anomalies {
				l := &o.anomalies[i]
				if e.IsStream() && !l.stream || !e.IsStream() && !l.decode {
					continue
				}
				times := 1
				if e == decode.EvIPv4OptInvalidLen {
					times += int(u.Packet.OptRepeats)
				}
				for range times {
					w.begin(&l.common, u, asPacket, "anomaly")
					b.OpenObject("anomaly")
					if e.IsStream() {
						b.String("type", "stream")
					} else {
						b.String("type", "decode")
					}
					b.String("event", e.Name())
					b.Close()
					if l.header {
						w.packet(u, headerBytes)
					}
					w.emit(&l.logger, TypeAnomaly)
				}
			}
			if e == decode.Event(255) {
				break
			}
		}
	}
	if u.LayerEvents != 0 && o.anomalyApp && u.Flow != nil {
		proto := o.name(u.Flow.App)
		for e := range layerEventNames {
			if u.LayerEvents&(1<<e) != 0 {
				w.anomaly(u, proto, layerEventNames[e], "proto_detect", 0)
			}
		}
	}
}

// anomaly writes an event of the application layer. id is that of a transaction, or 0.
func (w *Worker) anomaly(u *stream.Unit, proto, event, layer string, id uint64) {
	b := &w.b
	for i := range w.o.anomalies {
		l := &w.o.anomalies[i]
		if !l.applayer {
			continue
		}
		w.begin(&l.common, u, asPacket, "anomaly")
		if id > 0 {
			b.Uint("tx_id", id-1)
		}
		b.OpenObject("anomaly")
		if proto != "failed" { // which has no name here
			b.String("app_proto", proto)
		}
		b.String("type", "applayer")
		b.String("event", event)
		b.String("layer", layer)
		b.Close()
		w.emit(&l.logger, TypeAnomaly)
	}
}

// flowAnomalies writes events of a parser that belong to no transaction.
func (w *Worker) flowAnomalies(u *stream.Unit, s *stream.State, e *app.EventSet) {
	if s.Proto == nil {
		return
	}
	w.appAnomalies(u, s, e, "parser", 0)
}

// txAnomalies writes the events of a transaction that were not written before.
func (w *Worker) txAnomalies(u *stream.Unit, s *stream.State, tx *app.Tx) {
	var fresh app.EventSet
	for i := range fresh {
		fresh[i] = tx.Events[i] &^ tx.EventsSeen[i]
	}
	tx.EventsSeen = tx.Events
	w.appAnomalies(u, s, &fresh, "proto_parser", tx.ID)
	for _, e := range tx.Again {
		var one app.EventSet
		one.Set(e)
		w.appAnomalies(u, s, &one, "proto_parser", tx.ID)
	}
	tx.Again = tx.Again[:0]
}

func (w *Worker) appAnomalies(u *stream.Unit, s *stream.State, e *app.EventSet, layer string, id uint64) {
	if int(s.ID) >= len(w.o.events) {
		return
	}
	proto := w.o.name(s.ID)
	if u.Flow != nil && u.Flow.App >= flow.ProtoFirst {
		proto = w.o.name(u.Flow.App)
	}
	for i, word := range e {
		for ; word != 0; word &= word - 1 {
			n := i<<6 + bits.TrailingZeros64(word)
			if names := w.o.events[s.ID]; n < len(names) {
				w.anomaly(u, proto, names[n], layer, id)
			}
		}
	}
}
