package stream

import (
	"sentinel/stream/app"
	"sentinel/stream/tcp"
)

const (
	// maxFrames bounds the frames of one direction that are alive; those above are not kept.
	maxFrames = 259
	// frameWindow is how many bytes of a frame that is not whole must be there before rules see it, and how many of an open
	// frame are kept behind the parser.
	frameWindow = 2500
	// maxSpareFrameSets bounds the frame lists kept for reuse.
	maxSpareFrameSets = 1024
)

// frameSet is the frames of a flow, by direction.
type frameSet struct{ dir [2]frameList }

// frameList is the frames of one direction that are alive, in the order in which they were made.
type frameList struct {
	list   []app.Frame
	last   uint64 // id of the newest
	stream bool   // the frame "stream" was made
	kept   bool   // the tracker was told to keep bytes
}

func (l *frameList) clear() { l.list = l.list[:0] }

// open returns the newest frame of a type that has no end.
func (l *frameList) open(t uint8) *app.Frame {
	for i := len(l.list) - 1; i >= 0; i-- {
		if f := &l.list[i]; f.Type == t && f.Len < 0 {
			return f
		}
	}
	return nil
}

// SetFrames says which types of a protocol's frames are kept from now on, as a set of bits; 0 = none, which costs nothing.
func (e *Engine) SetFrames(id app.ProtoID, types uint64) { e.frameWants[id] = types }

// addFrame keeps a frame. It returns nil when there are too many.
func (e *Engine) addFrame(s *State, d app.Dir, t uint8, off uint64, length int64) *app.Frame {
	if s.frames == nil {
		if n := len(e.frameSets); n > 0 {
			s.frames = e.frameSets[n-1]
			e.frameSets = e.frameSets[:n-1]
		} else {
			s.frames = new(frameSet)
		}
	}
	l := &s.frames.dir[d]
	if len(l.list) >= maxFrames {
		return nil
	}
	l.last++
	l.list = append(l.list, app.Frame{Off: off, Len: max(length, -1), Type: t, ID: l.last})
	return &l.list[len(l.list)-1]
}

// streamFrame opens the frame "stream" with the first data of a direction, and closes it with the end.
func (e *Engine) streamFrame(s *State, d app.Dir, data []byte, off uint64, eof bool) {
	if s.frames == nil || !s.frames.dir[d].stream {
		if len(data) == 0 {
			return
		}
		n := int64(-1)
		if eof {
			n = int64(len(data))
		}
		if e.addFrame(s, d, app.StreamFrame, off, n) != nil {
			s.frames.dir[d].stream = true
		}
	} else if eof {
		if f := s.frames.dir[d].open(app.StreamFrame); f != nil {
			f.SetLen(int64(off - f.Off + uint64(len(data))))
		}
	}
}

// dropFrames gives a state's frames back.
func (e *Engine) dropFrames(s *State) {
	x := s.frames
	if x == nil {
		return
	}
	s.frames = nil
	for d := range x.dir {
		l := &x.dir[d]
		*l = frameList{list: l.list[:0]}
	}
	if len(e.frameSets) < maxSpareFrameSets {
		e.frameSets = append(e.frameSets, x)
	}
}

// ending reports whether all frames of a TCP packet's direction are at their end.
func (u *Unit) ending() bool {
	ssn := u.Session()
	return u.Has(Pseudo) || ssn == nil || ssn.State == tcp.Closed
}

// pruneFrames forgets the frames of the packet's direction that are over, and keeps the bytes that the others need.
func (e *Engine) pruneFrames(u *Unit, s *State) {
	l := &s.frames.dir[u.Dir]
	if len(l.list) == 0 && !l.kept {
		return
	}
	if s.over || u.ending() {
		l.clear()
	}
	var x tcp.Edges
	if len(l.list) > 0 {
		x = e.tracker.Edges(u.Flow, u.Dir)
	}
	edge, kept := x.App, 0
	for i := range l.list {
		f := &l.list[i]
		if f.Len >= 0 && f.Off+uint64(f.Len) <= max(x.Usable, x.App) {
			continue
		}
		edge = min(edge, leftOf(f, x.App))
		if kept != i {
			l.list[kept] = *f
		}
		kept++
	}
	l.list = l.list[:kept]
	switch {
	case kept > 0:
		l.kept = true
		e.tracker.Keep(u.Flow, u.Dir, edge)
	case l.kept:
		l.kept = false
		e.tracker.Release(u.Flow, u.Dir)
	}
}

// leftOf is the offset of the first byte of a frame that is kept although the parser, which is at progress, is done with it.
func leftOf(f *app.Frame, progress uint64) uint64 {
	if f.Off >= progress || f.Len >= 0 && uint64(f.Len) <= progress-f.Off {
		return progress
	}
	return max(f.Off, progress-min(progress, frameWindow))
}

// Frames lists the frames of direction d. They are valid until the engine goes on; Seen and Logged are the reader's to set.
func (s *State) Frames(d app.Dir) []app.Frame {
	if s.frames == nil {
		return nil
	}
	return s.frames.dir[d].list
}

// Over reports whether the parser is not called any more.
func (s *State) Over() bool { return s.over }

// FrameStart says from which stream offset on rules look at a frame of the packet's direction now, and the offset behind the
// last byte that they may see. ok is false when there is nothing to look at yet. Preconditions: a TCP flow.
func (u *Unit) FrameStart(f *app.Frame) (from, to uint64, ok bool) {
	t := u.engine.tracker
	x, eof, inline := t.Edges(u.Flow, u.Dir), u.ending(), t.Inline()
	right := x.Right
	if !eof && !inline {
		right = min(right, x.Acked)
	}
	if right <= f.Off {
		return 0, 0, false
	}
	if !inline && !eof && (f.Len < 0 || f.Off+uint64(f.Len) > right) && (right < f.Seen+frameWindow || right-x.Base < frameWindow) {
		return 0, 0, false
	}
	to = x.App
	if eof {
		to = x.Right
	}
	if f.Len >= 0 {
		to = min(to, f.Off+uint64(f.Len))
	}
	from = max(x.Base, f.Off+f.Seen)
	return from, to, from < to
}

// FrameSeen notes that rules have seen n bytes of a frame, from its beginning on. Inline they see the last of them again, as
// more comes.
func (u *Unit) FrameSeen(f *app.Frame, n uint64) {
	if u.Flow.Proto == protoTCP && u.engine.tracker.Inline() {
		n -= min(n, frameWindow)
	}
	f.Seen = max(f.Seen, n)
}

// FrameEnd is the offset behind the last byte of the packet's direction that is there: where an open frame ends so far.
func (u *Unit) FrameEnd() uint64 {
	if u.Flow.Proto != protoTCP {
		return uint64(len(u.Packet.Payload))
	}
	return u.engine.tracker.Edges(u.Flow, u.Dir).Contiguous
}
