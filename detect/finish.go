package detect

import (
	"strconv"

	"sentinel/detect/chain"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// finish checks what only the whole rule shows, and derives direction, type and needs.
func (b *Builder) finish() error {
	r, h := b.r, &b.c.heads[0]
	sid := strconv.FormatUint(uint64(r.meta.SID), 10)
	if r.meta.Priority == 0 && !b.prioGiven {
		r.meta.Priority = 3
	}
	if len(b.pending) > 0 {
		if _, err := b.Active(); err != nil {
			return b.errorf("", err.Error())
		}
	}
	if r.flags&appLayer != 0 && h.kind&(protoAny|protoL2) != 0 && !r.apps.empty() {
		// "alert ip" with an application keyword: the protocols' transports decide.
		v := h.kind
		h.protos, h.kind = protoSet{}, v&^(protoAny|protoL2)
		b.c.transports(h, r.apps)
	}
	if b.needs&NeedPacket != 0 {
		r.flags |= requirePacket
	}
	if b.needs&NeedNoStream != 0 {
		r.flags |= requirePacket
	}
	if b.needs&NeedStream != 0 {
		r.flags |= requireStream
	}
	if b.needs&NeedApp != 0 {
		r.flags |= appLayer
	}
	if b.needs&ToServerOnly != 0 {
		r.flags |= toServer | hasFlow
	}
	if b.needs&ToClientOnly != 0 {
		r.flags |= toClient | hasFlow
	}
	if r.flags&hookFlowStart != 0 && r.flags&toServer != 0 {
		r.flags |= hasFlow
	}
	if r.flags&hasFlow == 0 && r.flags&bothWays == 0 {
		r.flags |= bothWays
	}
	if r.flags&requirePacket != 0 && r.flags&requireStream != 0 {
		return b.errorf("", "can't mix packet keywords with tcp-stream or flow:only_stream.  Invalidating signature.")
	}
	if err := b.checkFrames(); err != nil {
		return err
	}
	tsOnly, tcOnly, ambiguous, err := b.checkBuffers()
	if err != nil {
		return err
	}
	if err := b.direction(sid, tsOnly, tcOnly, ambiguous); err != nil {
		return err
	}
	b.tcpPayload(h)
	b.setType(h)
	if h.kind&protoL2 != 0 && r.typ != TypeDEOnly {
		return b.errorf("protocol", "protocol 'pkthdr' is for decoder-events only")
	}
	if r.bits > b.c.cfg.MaxFlowbits {
		return b.errorf("flowbits", "rule "+sid+": too many flowbits (max "+strconv.Itoa(b.c.cfg.MaxFlowbits)+" per signature)")
	}
	if r.flags&(needsFiles|filestore) != 0 && !r.apps.empty() {
		ok := false
		name := ""
		for id := flow.ProtoID(flow.ProtoFirst); int(id) < b.c.cfg.Registry.Len(); id++ {
			if p := b.c.cfg.Registry.ByID(id); p != nil && r.apps.has(id) {
				name = p.Name
				ok = ok || carriesFiles(p, app.ToServer) || carriesFiles(p, app.ToClient)
			}
		}
		if !ok {
			return b.errorf("", "protocol "+name+" doesn't support file matching")
		}
	}
	b.setMask()
	h.apps = r.apps
	h.dirs = r.flags & bothWays
	if r.flags&bothDirs != 0 {
		h.dirs = bothWays
	}
	h.deOnly = r.typ == TypeDEOnly
	return nil
}

// checkBuffers validates every buffer and counts those that exist in one direction only.
func (b *Builder) checkBuffers() (tsOnly, tcOnly, ambiguous int, err error) {
	r := b.r
	if b.cur != nil && b.cur.def != nil && b.cur.empty() {
		return 0, 0, 0, b.errorf(b.cur.def.name, "rule "+strconv.FormatUint(uint64(r.meta.SID), 10)+" setup buffer "+b.cur.def.name+" but didn't add matches to it")
	}
	if r.flags&hasDsize != 0 {
		if most, ok := maxOf(r.dsize); ok {
			need, offset := required(b.payload.items, most)
			if need > int64(most) {
				return 0, 0, 0, b.errorf("dsize", "signature can't match as required content length "+strconv.FormatInt(need, 10)+" exceeds dsize value "+strconv.FormatUint(most, 10))
			}
			if need+offset > int64(most) {
				return 0, 0, 0, b.errorf("dsize", "signature can't match as required content length "+strconv.FormatInt(need+offset, 10)+" exceeds dsize value "+strconv.FormatUint(most, 10))
			}
		}
	}
	for _, u := range b.uses {
		if u.empty() {
			return 0, 0, 0, b.errorf(u.def.name, "no matches in sticky buffer "+u.def.name)
		}
		if u.def.kind != bufPacket && r.flags&requirePacket != 0 {
			return 0, 0, 0, b.errorf(u.def.name, "Signature combines packet specific matches (like dsize, flags, ttl) with stream / state matching by matching on app layer proto (like using http_* keywords).")
		}
		if u.def.kind == bufFrame {
			ambiguous++ // a rule for both directions cannot have them
		} else if u.def.kind != bufPacket {
			apps := r.apps
			ts, tc, any := false, false, false
			for _, s := range u.def.sources {
				if !apps.empty() && !apps.has(s.proto) {
					continue
				}
				if r.hook != nil && s.buffer != nil && s.at.Sub != r.hook.sub {
					continue
				}
				any = true
				if u.onlyTS && s.at.Dir == app.ToServer {
					ts = true
				} else if u.onlyTC && s.at.Dir == app.ToClient {
					tc = true
				} else if !u.onlyTS && !u.onlyTC {
					ts = ts || s.at.Dir == app.ToServer
					tc = tc || s.at.Dir == app.ToClient
				}
				if r.hook != nil && s.at.Dir == r.hook.dir && u.def.kind != bufEvents && s.at.Progress != r.hook.progress {
					return 0, 0, 0, b.errorf(u.def.name, "engine progress value "+strconv.Itoa(int(s.at.Progress))+" doesn't match hook "+strconv.Itoa(int(r.hook.progress)))
				}
			}
			if !any {
				return 0, 0, 0, b.errorf(u.def.name, "incompatible rule conditions, skipped buffer "+u.def.name)
			}
			switch {
			case ts && tc:
				ambiguous++
			case ts:
				tsOnly++
			case tc:
				tcOnly++
			}
		}
		for _, x := range u.items {
			c := x.content
			if c == nil || c.Negated {
				continue
			}
			for _, s := range u.def.sources {
				if s.buffer == nil || s.buffer.Check == nil || !r.apps.empty() && !r.apps.has(s.proto) {
					continue
				}
				if err := s.buffer.Check(c.Data, c.Nocase); err != nil {
					return 0, 0, 0, b.errorf(u.def.name, "rule "+strconv.FormatUint(uint64(r.meta.SID), 10)+": "+err.Error())
				}
			}
		}
		for _, x := range u.items {
			z, ok := x.other.(*chain.BSize)
			if !ok {
				continue
			}
			most, ok := maxOfSize(z)
			if !ok {
				continue
			}
			need, offset := required(u.items, most)
			if need > int64(most) || need+offset > int64(most) {
				if need <= int64(most) {
					need += offset
				}
				if z.Mode == chain.SizeBetween {
					return 0, 0, 0, b.errorf("bsize", "signature can't match as required content length "+strconv.FormatInt(need, 10)+" exceeds bsize range: "+strconv.FormatUint(z.A, 10)+"-"+strconv.FormatUint(z.B, 10))
				}
				return 0, 0, 0, b.errorf("bsize", "signature can't match as required content length "+strconv.FormatInt(need, 10)+" exceeds bsize value: "+strconv.FormatUint(z.A, 10))
			}
		}
		if u.absent {
			other := len(u.items) > 0
			for _, x := range u.items {
				if x.content != nil && x.content.Fast {
					return 0, 0, 0, b.errorf("absent", "signature can't have absent and fast_pattern on the same buffer")
				}
			}
			if !u.orElse && other {
				return 0, 0, 0, b.errorf("absent", "signature can't have a buffer tested absent and tested with other keywords such as content")
			}
			if u.orElse && !other {
				return 0, 0, 0, b.errorf("absent", "signature with absent: or_else expects other keywords to test on such as content")
			}
		}
	}
	return tsOnly, tcOnly, ambiguous, nil
}

// direction makes the rule's direction agree with its buffers'.
func (b *Builder) direction(sid string, tsOnly, tcOnly, ambiguous int) error {
	r := b.r
	implied := func(d, other ruleFlags) error {
		if r.flags&bothWays == bothWays {
			r.flags &^= other
		} else if r.flags&other != 0 {
			return b.errorf("flow", "rule "+sid+" mixes keywords with conflicting directions")
		}
		r.flags |= d
		return nil
	}
	switch {
	case r.flags&bothDirs != 0:
		if tsOnly == 0 || tcOnly == 0 {
			return b.errorf("", "rule "+sid+" should use both directions, but does not")
		}
		if ambiguous > 0 {
			return b.errorf("", "rule "+sid+" means to use both directions, cannot have keywords ambiguous about directions")
		}
	case tsOnly > 0 && tcOnly > 0:
		return b.errorf("", "rule "+sid+" mixes keywords with conflicting directions, a transactional rule with => should be used")
	case tsOnly > 0:
		return implied(toServer, toClient)
	case tcOnly > 0:
		return implied(toClient, toServer)
	}
	return nil
}

// tcpPayload decides whether content on TCP is looked for in the stream, in packets or in both.
func (b *Builder) tcpPayload(h *head) {
	r := b.r
	if !h.protos.has(protoTCP) || len(b.payload.items) == 0 || r.flags&(requirePacket|requireStream) != 0 {
		return
	}
	r.flags |= requireStream
	for _, x := range b.payload.items {
		if x.content != nil && (x.content.HasDepth || x.content.HasOffset || x.content.StartsWith) {
			r.flags |= requirePacket
			break
		}
	}
	for _, k := range b.keys {
		if k == "stream_size" {
			r.flags |= requirePacket
		}
	}
}

// setType derives the rule's type from its parts (Suricata user guide, rule types).
func (b *Builder) setType(h *head) {
	r := b.r
	switch {
	case r.hook != nil:
		r.typ = TypeAppTx
		return
	case h.kind&protoEther != 0:
		r.typ = TypePacket
		return
	case b.isPDOnly():
		r.typ = TypePDOnly
		return
	}
	if ok, like := b.isIPOnly(h); ok {
		r.typ = TypeIPOnly
		if like {
			r.typ = TypeLikeIPOnly
		}
		return
	}
	if b.isDEOnly() {
		r.typ = TypeDEOnly
		return
	}
	packet, tx := false, false
	for _, u := range b.uses {
		if u.def.kind == bufPacket {
			packet = true
		} else {
			tx = true
		}
	}
	switch need := r.flags & (requirePacket | requireStream); {
	case packet:
		r.typ = TypePacket
	case tx:
		r.typ = TypeAppTx
	case len(b.payload.items) > 0 && need == requirePacket:
		r.typ = TypePacket
	case len(b.payload.items) > 0 && need == requireStream:
		r.typ = TypeStream
	case len(b.payload.items) > 0:
		r.typ = TypePacketStream
	case len(r.matches) > 0 || r.flags&hasDsize != 0:
		r.typ = TypePacket
	case r.flags&appLayer != 0:
		r.typ = TypeAppLayer
	default:
		r.typ = TypePacket
	}
}

func (b *Builder) flagsOf(keyword string) KeywordFlags {
	if k := b.c.keywords[keyword]; k != nil {
		return k.Flags
	}
	return 0
}

func (b *Builder) isIPOnly(h *head) (ok, like bool) {
	r := b.r
	if b.pktHook != "" || !r.apps.empty() || len(b.payload.items) > 0 || r.flags&(appLayer|hasDsize) != 0 || len(b.uses) > 0 {
		return false, false
	}
	if d := r.flags & bothWays; d != 0 && d != bothWays {
		return false, false
	}
	for _, k := range b.keys {
		if b.flagsOf(k)&IPOnlyOK == 0 || k == "flowbits" {
			return false, false
		}
	}
	for i, k := range b.postKeys {
		if b.flagsOf(k)&IPOnlyOK == 0 {
			return false, false
		}
		if s, ok := r.post[i].(interface{ SetsOnly() bool }); ok && !s.SetsOnly() {
			return false, false
		}
	}
	for _, id := range [2]uint32{h.src, h.dst} {
		if s := &b.c.addrs[id]; id != 0 && (s.HasNegation() || s.HasRange()) {
			return true, true
		}
	}
	return true, false
}

func (b *Builder) isPDOnly() bool {
	r := b.r
	if b.pktHook != "" || !r.apps.empty() || len(b.payload.items) > 0 || len(b.uses) > 0 || len(b.keys) == 0 || r.flags&hasDsize != 0 {
		return false
	}
	pd := false
	for i, k := range b.keys {
		switch {
		case k == "app-layer-protocol":
			pd = true
		case k == "flowbits":
			return false
		case k == "flow":
			if f, ok := r.matches[i].(interface{ DirectionOnly() bool }); !ok || !f.DirectionOnly() {
				return false
			}
		case b.flagsOf(k)&IPOnlyOK == 0:
			return false
		}
	}
	return pd
}

func (b *Builder) isDEOnly() bool {
	r := b.r
	if b.pktHook != "" || !r.apps.empty() || len(b.payload.items) > 0 || len(b.uses) > 0 || r.flags&hasDsize != 0 {
		return false
	}
	found := false
	for _, k := range b.keys {
		if b.flagsOf(k)&EventsOnlyOK == 0 {
			return false
		}
		found = true
	}
	return found
}

// setMask derives what the rule needs of a packet.
func (b *Builder) setMask() {
	r := b.r
	if r.flags&(requirePacket|requireStream) == requirePacket {
		r.mask |= maskReal
	}
	if len(b.payload.items) > 0 {
		r.mask |= maskPayload
	}
	if b.needs&(NeedFlow|NeedEstablished) != 0 || r.flags&(hasFlow|appLayer) != 0 {
		r.mask |= maskFlow
	}
	if b.needs&NeedEvents != 0 {
		r.mask |= maskEvents
	}
	if b.needs&NeedPayload != 0 {
		r.mask |= maskPayload
	}
	if r.flags&hasDsize != 0 {
		switch d := r.dsize; d.Mode {
		case UintRange, UintGreater, UintNotEqual, UintGreaterEqual:
			r.mask |= maskPayload
		case UintEqual:
			if d.Lo > 0 {
				r.mask |= maskPayload
			} else {
				r.mask |= maskNoPayload
			}
		}
	}
	for _, m := range r.matches {
		if f, ok := m.(interface{ TCPFlagsNeeded() uint8 }); ok {
			x := f.TCPFlagsNeeded()
			if x&0x07 != 0 {
				r.mask |= maskInitFlags
			}
			if x&0xe0 != 0 {
				r.mask |= maskUnusualFlags
			}
		}
	}
}

// maxOf is the greatest size that a comparison may allow for, as far as the check of contents goes.
func maxOf(u Uint) (uint64, bool) {
	switch u.Mode {
	case UintLess, UintEqual, UintNotEqual:
		return u.Lo, true
	case UintRange:
		return u.Hi, true
	}
	return 0, false
}

func maxOfSize(z *chain.BSize) (uint64, bool) {
	switch z.Mode {
	case chain.SizeLess, chain.SizeEqual:
		return z.A, true
	case chain.SizeBetween:
		return z.B, true
	}
	return 0, false
}

// required is how long the data must be for contents that follow each other, and the greatest offset among them.
func required(items []*item, most uint64) (length, offset int64) {
	first := true
	for _, x := range items {
		c := x.content
		if c == nil {
			continue
		}
		if !first {
			if !c.Relative() {
				continue
			}
			if c.Negated {
				if n := length + c.Distance.N + c.Within.N; n > int64(most) {
					return n, 0
				}
				continue
			}
		}
		length += int64(len(c.Data)) + c.Distance.N
		offset = max(offset, c.Offset.N)
		first = false
	}
	return length, offset
}
