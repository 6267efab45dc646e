package sentinel

import (
	"fmt"
	"slices"

	"sentinel/capture"
)

// tap is one source of a worker's or a receiver's, with what the source can do besides.
type tap struct {
	capture.Source
	poll      capture.Poller    // nil = it can only be waited for by itself
	clock     capture.Clock     // nil = a network: time goes on without packets
	described capture.Described // nil = no file
	// back sends toward where frames of this source come from; on, toward where they are forwarded. Nil = it cannot.
	back, on capture.Injector
	// receiver owns the source when frames are handed over; onward owns the one that they are forwarded to.
	receiver, onward *receiver

	number uint64 // of the next frame, from 1
	over   bool   // it has ended
}

func newTap(s capture.Source) *tap {
	t := &tap{Source: s, number: 1}
	t.poll, _ = s.(capture.Poller)
	t.clock, _ = s.(capture.Clock)
	t.described, _ = s.(capture.Described)
	t.back, _ = s.(capture.Injector)
	return t
}

// wire says what Open knows of a source of an inline pair.
type wire struct {
	bundle int            // sources with the same number get the same flows
	peer   capture.Source // reads the other side; nil = nobody does
}

// side is what Open has opened of one interface.
type side struct {
	name, to string // to = where frames are copied; "" = nowhere
	sources  []capture.Source
}

// join finds the sources that belong together: source i of an interface and source i of the one it copies to. apart says why the
// two directions of a flow may come in on sources of different numbers; then frames have to be handed over by flow.
func join(sides []side) (wires map[capture.Source]wire, apart string) {
	wires = map[capture.Source]wire{}
	next := 0
	for i := range sides {
		a := &sides[i]
		if a.to == "" {
			continue
		}
		j := slices.IndexFunc(sides, func(s side) bool { return s.name == a.to })
		if j < 0 || j == i {
			continue // one direction only
		}
		b := &sides[j]
		if len(a.sources) != len(b.sources) && apart == "" {
			apart = fmt.Sprintf("%s has %d queues and %s has %d", a.name, len(a.sources), b.name, len(b.sources))
		}
		for k, s := range a.sources {
			if y, ok := s.(capture.Symmetric); ok && !y.Symmetric() && apart == "" {
				apart = fmt.Sprintf("%s cannot promise that both directions of a flow come in on the same queue", a.name)
			}
			w := wire{bundle: next}
			if k < len(b.sources) {
				w.peer = b.sources[k]
				if known, ok := wires[w.peer]; ok {
					w.bundle = known.bundle
				}
			}
			if w.bundle == next {
				next++
			}
			wires[s] = w
		}
	}
	return wires, apart
}

// taps makes taps of sources, with the way to the other side of a wire.
func (e *Engine) taps(sources []capture.Source) []*tap {
	all := make([]*tap, len(sources))
	for i, s := range sources {
		all[i] = newTap(s)
		if p := e.wires[s].peer; p != nil {
			all[i].on, _ = p.(capture.Injector)
		}
	}
	return all
}

// bundles says which sources are one worker's: the two sides of a wire, and more of them if there are to be fewer workers.
// It returns nil where sources that belong together can only be waited for one by one.
func (e *Engine) bundles(sources []capture.Source, workers int) [][]*tap {
	var list [][]*tap
	at := map[int]int{} // by number of the bundle
	polls := true
	for i, t := range e.taps(sources) {
		polls = polls && t.poll != nil
		w, ok := e.wires[sources[i]]
		j, known := at[w.bundle]
		if ok && known {
			list[j] = append(list[j], t)
			continue
		}
		if ok {
			at[w.bundle] = len(list)
		}
		list = append(list, []*tap{t})
	}
	for _, b := range list {
		if len(b) > 1 && slices.ContainsFunc(b, func(t *tap) bool { return t.poll == nil }) {
			return nil
		}
	}
	if workers > 0 && workers < len(list) && polls {
		for i, b := range list[workers:] {
			list[i%workers] = append(list[i%workers], b...)
		}
		list = list[:workers]
	}
	return list
}
