package detect

import "sentinel/stream"

// Tag is what the tag keyword says: so many packets, bytes or seconds after the alert are logged too.
type Tag struct {
	Host, Dst               bool
	Packets, Seconds, Bytes bool
	Count                   uint32
}

// maxTags bounds the tags of one flow.
const maxTags = 64

// Match puts the tag on the flow. Tags of hosts are kept on the flow too, which is where most of their packets are.
func (t Tag) Match(c *Ctx) bool {
	if c.Flow == nil {
		return true
	}
	s := c.Worker.state(c.Flow)
	for i := range s.tags {
		if x := &s.tags[i]; x.sid == c.Rule.SID && x.gid == c.Rule.GID {
			return true
		}
	}
	if len(s.tags) < maxTags {
		s.tags = append(s.tags, flowTag{tag: t, sid: c.Rule.SID, gid: c.Rule.GID, left: uint64(t.Count), begin: c.Now, fresh: true})
	}
	return true
}

// flowTag is a tag that a rule put on a flow.
type flowTag struct {
	tag      Tag
	sid, gid uint32
	left     uint64
	begin    int64
	fresh    bool // put by this packet, which is logged as an alert
}

// flowTags counts the packet against the tags of its flow, and returns how many ask for it to be logged.
func (w *Worker) flowTags(u *stream.Unit) int {
	w.tagged = false
	f := u.Flow
	if f == nil || f.Detect == 0 || u.Has(stream.EndOfFlow) {
		return 0
	}
	s := &w.flows[f.Detect]
	n := 0
	kept := s.tags[:0]
	for i := range s.tags {
		t := s.tags[i]
		alive := true
		switch {
		case t.fresh:
			t.fresh = false
			kept = append(kept, t)
			continue
		case t.tag.Packets:
			if t.left == 0 {
				alive = false
			} else {
				t.left--
			}
		case t.tag.Bytes:
			size := uint64(len(u.Packet.Data))
			if t.left < size {
				alive = false
			} else {
				t.left -= size
			}
		default:
			alive = u.Now-t.begin <= int64(t.left)*second
		}
		if alive {
			kept = append(kept, t)
			n++
		}
	}
	s.tags = kept
	if w.tagged = n > 0; w.tagged {
		u.Flags |= stream.Tagged
	}
	return n
}

// Tagged reports whether the packet last inspected is logged because of a tag.
func (w *Worker) Tagged() bool { return w.tagged }
