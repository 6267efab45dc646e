package eve

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
)

// frameLogger writes frames as events of their own.
type frameLogger struct {
	logger
	buffer int      // payload-buffer-size
	types  []uint64 // by protocol: the types of frames that are written; nil = all
}

const (
	// frameDatagram is how much of a datagram's frame is written.
	frameDatagram = 256
	// frameWait is how many bytes of a frame that is not whole there must be for it to be written before the end.
	frameWait = 2500
)

func (o *Output) addFrames(n *conf.Node, l logger) error {
	size, err := n.Get("payload-buffer-size").SizeMax(4096, 1<<31-1)
	if err != nil {
		return err
	}
	if size == 0 {
		return errors.New("payload-buffer-size must not be 0")
	}
	x := frameLogger{logger: l, buffer: int(size)}
	if t := n.Get("types"); t.Exists() {
		x.types = make([]uint64, len(o.layouts))
		for _, name := range t.Strings() {
			if !x.add(o.opt.Registry, name) {
				o.warn("eve-log: frame: there are no frames %q", name)
			}
		}
	}
	o.frames = merge(o, o.frames, x, func(x *frameLogger) *logger { return &x.logger },
		func(a, b *frameLogger) bool { return a.buffer == b.buffer && slices.Equal(a.types, b.types) })
	return nil
}

// add has the frames of a name written: "PROTOCOL.NAME", or all of a "PROTOCOL". It returns false when there are none.
func (l *frameLogger) add(reg *app.Registry, name string) bool {
	proto, frame, one := strings.Cut(strings.ToLower(name), ".")
	p := (*app.Protocol)(nil)
	if reg != nil {
		p = reg.ByID(reg.ID(proto))
	}
	if p == nil {
		return false
	}
	if !one {
		l.types[reg.ID(proto)] = ^uint64(0)
		return len(p.Frames) > 0
	}
	t, ok := p.Frame(frame)
	if ok {
		l.types[reg.ID(proto)] |= 1 << t
	}
	return ok
}

// wants reports whether frames of a type are written.
func (l *frameLogger) wants(id app.ProtoID, t uint8) bool {
	return l.types == nil || int(id) < len(l.types) && l.types[id]&(1<<(t&63)) != 0
}

// Frames is the types of a protocol's frames that are written, as a set of bits.
func (o *Output) Frames(id app.ProtoID) (types uint64) {
	for i := range o.frames {
		if l := &o.frames[i]; l.types == nil {
			return ^uint64(0)
		} else if int(id) < len(l.types) {
			types |= l.types[id]
		}
	}
	return types
}

// frames writes the frames of the packet's direction that are whole, or of which enough is there.
func (w *Worker) frames(u *stream.Unit, s *stream.State) {
	list := s.Frames(u.Dir)
	tcp := u.Flow.Proto == protoTCP
	if len(list) == 0 || u.Packet.Proto != u.Flow.Proto || tcp && !u.Has(stream.Pseudo) && !s.Updated(u.Dir) {
		return
	}
	eof := !tcp || s.Over() || s.EOF(u.Dir) || u.Has(stream.EndOfFlow)
	progress := uint64(0)
	if tcp {
		progress = u.Tracker().AppProgress(u.Flow, u.Dir)
	}
	for i := range list {
		f := &list[i]
		if f.Logged {
			continue
		}
		if have := progress - min(f.Off, progress); !eof && (f.Len < 0 || have < uint64(f.Len)) && have < frameWait {
			continue
		}
		f.Logged = true
		for k := range w.o.frames {
			l := &w.o.frames[k]
			if !l.wants(s.ID, f.Type) {
				continue
			}
			w.begin(&l.common, u, asPacket, "frame")
			w.b.String("app_proto", w.o.name(u.Flow.App))
			w.frame(u, s, f, l.buffer)
			w.emit(&l.logger, TypeFrame)
		}
	}
}

// alertFrame adds the frame that an alert is about.
func (w *Worker) alertFrame(u *stream.Unit, s *stream.State, id uint64, buffer int) {
	list := s.Frames(u.Dir)
	for i := range list {
		if list[i].ID == id {
			w.frame(u, s, &list[i], buffer)
			return
		}
	}
}

// frame adds the object of a frame.
func (w *Worker) frame(u *stream.Unit, s *stream.State, f *app.Frame, buffer int) {
	b := &w.b
	b.OpenObject("frame")
	b.String("type", s.Proto.FrameName(f.Type))
	b.Uint("id", f.ID)
	b.String("direction", [2]string{app.ToServer: "toserver", app.ToClient: "toclient"}[u.Dir])
	length := uint64(max(f.Len, 0))
	if f.Len < 0 {
		length = u.FrameEnd()
		length -= min(f.Off, length)
	}
	if u.Flow.Proto == protoTCP {
		b.Uint("stream_offset", f.Off)
		b.Uint("length", length)
		w.framePayload(u, f, buffer-1)
	} else {
		b.Uint("length", length)
		if p := u.Packet.Payload; f.Off < uint64(len(p)) {
			p = p[f.Off:]
			complete := length <= uint64(len(p))
			p = p[:min(uint64(len(p)), length, frameDatagram)]
			b.Bool("complete", complete)
			b.Base64("payload", p)
			b.Printable("payload_printable", p)
		}
	}
	if f.Tx != 0 {
		b.Uint("tx_id", f.Tx-1)
	}
	b.Close()
}

// framePayload adds the bytes of a frame of a stream, at most limit: those that the receiver has acknowledged, or inline all.
// Holes are named.
func (w *Worker) framePayload(u *stream.Unit, f *app.Frame, limit int) {
	t := u.Tracker()
	x := t.Edges(u.Flow, u.Dir)
	end, complete := x.Acked, false
	if t.Inline() { // rules have seen what the receiver has not
		end = x.Right
	}
	if f.Len >= 0 {
		last := f.Off + uint64(f.Len)
		end, complete = min(end, last), last <= x.Right
	}
	out, at := w.stash[:0], f.Off
	missing := func(n uint64) {
		out = append(out, '[')
		out = strconv.AppendUint(out, n, 10)
		out = append(out, " bytes missing]"...)
	}
	for range 4096 {
		data, off, ok := t.Chunk(u.Flow, u.Dir, at, true)
		if !ok || off >= end || len(out) >= limit {
			break
		}
		if off > at {
			missing(off - at)
		}
		data = data[:min(uint64(len(data)), end-off)]
		at = off + uint64(len(data))
		out = append(out, data[:min(len(data), max(limit-len(out), 0))]...)
	}
	if complete && len(out) < limit && at < f.Off+uint64(f.Len) {
		missing(f.Off + uint64(f.Len) - at)
	}
	out = out[:min(len(out), max(limit, 0))]
	w.stash = out
	if len(out) > 0 {
		w.b.Base64("payload", out)
		w.b.Printable("payload_printable", out)
		w.b.Bool("complete", complete)
	}
}
