package eve

import (
	"sentinel/decode"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// maxMACs bounds the addresses of one side of a flow.
const maxMACs = 10

// macSet is the Ethernet addresses that a flow was seen with: of its client, and of its server, in the order they came.
type macSet struct {
	id       uint64 // of the flow
	reversed bool   // as the flow was when it was looked at last
	n        [2]uint8
	mac      [2][maxMACs][6]byte
}

// seeMACs remembers the addresses of a packet.
func (w *Worker) seeMACs(u *stream.Unit) {
	f, p := u.Flow, u.Packet
	if f == nil || !p.Is(decode.HasEthernet) {
		return
	}
	m := w.macsOf(f)
	if m == nil || m.id != f.ID {
		for int(f.Index) >= len(w.macs) {
			w.macs = append(w.macs, macSet{})
		}
		m = &w.macs[f.Index]
		*m = macSet{id: f.ID, reversed: f.Has(flow.Reversed)}
	}
	m.add(u.Dir, &p.SrcMAC)
	m.add(u.Dir.Other(), &p.DstMAC)
}

// macsOf returns the addresses of a flow; nil = none are known.
func (w *Worker) macsOf(f *flow.Flow) *macSet {
	if int(f.Index) >= len(w.macs) || w.macs[f.Index].id != f.ID {
		return nil
	}
	m := &w.macs[f.Index]
	if r := f.Has(flow.Reversed); r != m.reversed {
		m.reversed = r
		m.n[0], m.n[1] = m.n[1], m.n[0]
		m.mac[0], m.mac[1] = m.mac[1], m.mac[0]
	}
	return m
}

func (m *macSet) add(side flow.Dir, mac *[6]byte) {
	n := m.n[side]
	for i := range m.mac[side][:n] {
		if m.mac[side][i] == *mac {
			return
		}
	}
	if n < maxMACs {
		m.mac[side][n] = *mac
		m.n[side]++
	}
}
