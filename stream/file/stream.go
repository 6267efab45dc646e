package file

// Limits say how much of a body is kept for rules, and in what steps they see it (Suricata user guide, libhtp inspection
// sizes). All are bytes; 0 = no limit.
type Limits struct {
	Body    uint64 // bytes of the body that rules may see at all
	MinSize uint32 // rules wait until so much is there or the body ends
	Window  uint32 // bytes before the new ones that stay visible
}

// Stream is a body on its way past the rules: the bytes that may still be looked at, and where they lie in the whole.
// The zero Stream is empty and open.
type Stream struct {
	buf       []byte
	base      uint64 // offset of buf[0] in the body, as far as it came
	inspected uint64 // offset up to which rules have looked
	total     uint64 // bytes appended, kept or not
	looked    bool   // Window was handed out since the last Advance
	done      bool
	limits    Limits
}

// Reset empties the stream and keeps its memory.
func (s *Stream) Reset(l Limits) {
	b := s.buf[:0]
	if cap(b) > 1<<16 {
		b = nil
	}
	*s = Stream{buf: b, limits: l}
}

// SetLimits changes the limits of what is appended from now on.
func (s *Stream) SetLimits(l Limits) { s.limits = l }

// Append adds bytes at the end. The bytes are copied, as far as the limit allows; all count for Size.
func (s *Stream) Append(b []byte) {
	keep := b
	if max := s.limits.Body; max > 0 {
		if s.total >= max {
			keep = nil
		} else if uint64(len(b)) > max-s.total {
			keep = b[:max-s.total]
		}
	}
	s.total += uint64(len(b))
	s.buf = append(s.buf, keep...)
}

// Skip tells of n bytes that were lost. They count for Size only: rules see what comes after them right behind what came before,
// as in the reference.
func (s *Stream) Skip(n uint64) { s.total += n }

// Finish marks the end of the body.
func (s *Stream) Finish() { s.done = true }

// Done reports whether the body has ended.
func (s *Stream) Done() bool { return s.done }

// Size is the number of bytes of the body so far, kept or not.
func (s *Stream) Size() uint64 { return s.total }

// Kept is the offset behind the last kept byte.
func (s *Stream) Kept() uint64 { return s.base + uint64(len(s.buf)) }

// Pending reports whether there is something that rules have not seen.
func (s *Stream) Pending() bool { return s.Kept() > s.inspected }

// Window returns what rules look at now: the new bytes, and the window before them. offset is where it begins in the
// body, eof whether nothing follows. ok is false while the minimum size is not reached, or nothing is new.
// force asks for what is there, whatever the minimum (the end of the stream, or of the transaction). The same slice comes
// back until Advance or Append.
func (s *Stream) Window(force bool) (data []byte, offset uint64, eof, ok bool) {
	if s.inspected == 0 && !s.done && !force && s.Kept() < uint64(s.limits.MinSize) {
		return nil, 0, false, false
	}
	if !s.Pending() {
		return nil, 0, s.done, false
	}
	from := s.base
	if w := uint64(s.limits.Window); s.inspected > s.base+w {
		from = s.inspected - w
	}
	s.looked = true
	b := s.buf[from-s.base:]
	return b[:len(b):len(b)], from, s.done, true
}

// All returns every kept byte and its offset in the body.
func (s *Stream) All() (data []byte, offset uint64) { return s.buf[:len(s.buf):len(s.buf)], s.base }

// Trim drops bytes of an open body that is stored elsewhere, so that memory does not grow with it: what is left is enough for
// rules to begin, and for their window.
func (s *Stream) Trim() {
	const least = 1 << 16
	keep := max(uint64(s.limits.MinSize), uint64(s.limits.Window), least)
	if uint64(len(s.buf)) < 2*keep {
		return
	}
	drop := uint64(len(s.buf)) - keep
	s.buf = s.buf[:copy(s.buf, s.buf[drop:])]
	s.base += drop
	s.inspected = max(s.inspected, s.base)
}

// Advance ends an inspection: what Window handed out counts as seen, and what no later window can show is dropped.
func (s *Stream) Advance() {
	if !s.looked {
		return
	}
	s.looked = false
	s.inspected = s.Kept()
	keep := uint64(s.limits.Window)
	if keep == 0 || s.inspected < s.base+keep {
		return
	}
	if drop := s.inspected - keep - s.base; drop > 0 {
		n := copy(s.buf, s.buf[drop:])
		s.buf = s.buf[:n]
		s.base += drop
	}
}
