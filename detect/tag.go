package detect

import (
	"sentinel/decode"
	"sentinel/stream"
)

// Tag is what the tag keyword says: so many packets, bytes or seconds after the alert are logged too.
type Tag struct {
	Host, Dst               bool
	Packets, Seconds, Bytes bool
	Count                   uint32
}

// Bounds of tags: of one flow or host, and of the hosts that a worker keeps tags of.
const (
	maxTags     = 64
	maxTagHosts = 1 << 12
)

// Match puts the tag on the flow, or on a host.
func (t Tag) Match(c *Ctx) bool {
	w := c.Worker
	x := liveTag{tag: t, sid: c.Rule.SID, gid: c.Rule.GID, left: uint64(t.Count), begin: c.Now, fresh: true}
	if t.Host {
		if !c.Packet.IsIP() {
			return true
		}
		k := tagHost{c.Packet.IPVersion, c.Packet.Src}
		if t.Dst {
			k.addr = c.Packet.Dst
		}
		if w.hostTags == nil {
			w.hostTags = map[tagHost][]liveTag{}
		}
		if l, ok := w.hostTags[k]; ok || len(w.hostTags) < maxTagHosts {
			w.hostTags[k] = addTag(l, x)
		}
		return true
	}
	if c.Flow != nil {
		s := w.state(c.Flow)
		s.tags = addTag(s.tags, x)
	}
	return true
}

func addTag(l []liveTag, x liveTag) []liveTag {
	for i := range l {
		if l[i].sid == x.sid && l[i].gid == x.gid {
			return l
		}
	}
	if len(l) < maxTags {
		l = append(l, x)
	}
	return l
}

// tagHost is a host with tags.
type tagHost struct {
	version uint8
	addr    decode.Addr
}

// liveTag is a tag that a rule put on a flow or a host.
type liveTag struct {
	tag      Tag
	sid, gid uint32
	left     uint64
	begin    int64
	fresh    bool // put by this packet, which is logged as an alert
}

// count takes the packet off the tag; logged says that the tag asks for it, alive that the tag stays.
func (t *liveTag) count(u *stream.Unit) (logged, alive bool) {
	first := t.fresh
	t.fresh = false
	n := uint64(1)
	switch {
	case t.tag.Seconds:
		return !first && u.Now-t.begin <= int64(t.left)*second, first || u.Now-t.begin <= int64(t.left)*second
	case t.tag.Bytes:
		n = uint64(len(u.Packet.Data))
	}
	if t.left < n {
		t.left = 0
		return false, first
	}
	t.left -= n
	return !first, true
}

// countTags takes the packet off all the tags in a list.
func countTags(l []liveTag, u *stream.Unit) (kept []liveTag, logged bool) {
	kept = l[:0]
	for i := range l {
		t := l[i]
		yes, alive := t.count(u)
		logged = logged || yes
		if alive {
			kept = append(kept, t)
		}
	}
	return kept, logged
}

// countPacket takes the packet off the tags of its flow and hosts, and marks it if one of them asks for it to be logged.
func (w *Worker) countPacket(u *stream.Unit) {
	if u.Has(stream.EndOfFlow) {
		return
	}
	tagged := false
	if f := u.Flow; f != nil && f.Detect != 0 {
		if s := &w.flows[f.Detect]; len(s.tags) > 0 {
			s.tags, tagged = countTags(s.tags, u)
		}
	}
	if len(w.hostTags) > 0 && u.Packet.IsIP() {
		for _, a := range [2]decode.Addr{u.Packet.Src, u.Packet.Dst} {
			k := tagHost{u.Packet.IPVersion, a}
			l, ok := w.hostTags[k]
			if !ok {
				continue
			}
			kept, yes := countTags(l, u)
			tagged = tagged || yes
			if len(kept) == 0 {
				delete(w.hostTags, k)
			} else {
				w.hostTags[k] = kept
			}
		}
	}
	if tagged {
		u.Flags |= stream.Tagged
	}
}
