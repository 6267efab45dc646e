package detect

import (
	"sentinel/detect/chain"
	"sentinel/detect/transform"
)

// packetData is a buffer of the packet, with the transforms that a rule applies to it.
type packetData struct {
	def        *bufferDef
	transforms []transform.Transform
}

// PacketBuffer selects a buffer of the packet, such as tcp.hdr. get returns nil when it is absent; what it returns is lent
// for the packet.
func (b *Builder) PacketBuffer(name string, get func(c *Ctx) []byte, n Needs) error {
	d := b.c.buffers.add(name, bufPacket)
	if d.packet == nil {
		d.packet = get
	}
	b.needs |= n
	return b.selectDef(d, "")
}

// PacketBuffers is PacketBuffer for one that a packet has several of: get is asked for 0, 1, 2 … until it says false. One of them must
// satisfy all conditions of a use.
func (b *Builder) PacketBuffers(name string, get func(c *Ctx, i int) ([]byte, bool), n Needs) error {
	d := b.c.buffers.add(name, bufPacket)
	if d.packets == nil {
		d.packets, d.multi = get, true
	}
	b.needs |= n
	return b.selectDef(d, "")
}

// pktCached is what a buffer of the packet holds: chunks of the worker. They are made once a packet.
type pktCached struct {
	stamp       uint32
	from, count int32
}

// packetBuffer tries the conditions of a rule on a buffer of the packet.
func (w *Worker) packetBuffer(e *packetEngine) bool {
	x := &w.pktCache[e.data]
	if x.stamp != w.pktStamp {
		from := int32(len(w.chunks))
		w.packetChunks(&w.rs.pktData[e.data])
		*x = pktCached{w.pktStamp, from, int32(len(w.chunks)) - from}
	}
	for k := x.from; k < x.from+x.count; k++ {
		if e.prog == nil || e.prog.match(&w.ctx, w.chunks[k].data, 0, chain.End) {
			return true
		}
	}
	return false
}

// packetChunks adds what a buffer of the packet holds, transformed, to the chunks.
func (w *Worker) packetChunks(d *packetData) {
	if d.def.packets == nil {
		w.packetChunk(d, d.def.packet(&w.ctx))
		return
	}
	for i := 0; i < maxMulti; i++ {
		b, ok := d.def.packets(&w.ctx, i)
		if !ok {
			return
		}
		w.packetChunk(d, b)
	}
}

func (w *Worker) packetChunk(d *packetData, b []byte) {
	for i := range d.transforms {
		if b == nil {
			return
		}
		if b = d.transforms[i].Apply(w.room(), b); b != nil {
			w.keep(b)
		}
	}
	if b != nil {
		w.chunks = append(w.chunks, chunk{data: b, end: true})
	}
}
