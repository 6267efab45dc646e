package http2

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"unicode/utf8"

	"sentinel/stream/app"
)

// Parser follows one connection.
type Parser struct {
	kit    *kit
	txs    []*Tx          // by rising id
	index  map[uint32]*Tx // by stream, once there are many
	lastID uint64
	walk   int  // index behind the transaction that Next returned last
	begun  bool // the client's preface was looked for
	table  [2]table
	parts  [2]parts
	skip   [2]uint32 // bytes of a long frame that are passed over
	in     uint64    // compressed bytes of finished bodies with a high ratio
	out    uint64
	host   app.Host
	base   uint64
	now    int64
	flags  app.ResultFlags
}

// parts collects a header block that continues over frames.
type parts struct {
	stream uint32
	data   []byte
}

// Reset makes the parser ready for another connection.
func (p *Parser) Reset() {
	for i, t := range p.txs {
		p.kit.giveTx(t)
		p.txs[i] = nil
	}
	tb, pt := p.table, p.parts
	*p = Parser{kit: p.kit, txs: p.txs[:0], table: tb}
	for d := range p.table {
		p.table[d].reset(p.kit.conf.table)
		if cap(pt[d].data) < 1<<16 {
			p.parts[d].data = pt[d].data[:0]
		}
	}
}

// Next implements app.Parser.
func (p *Parser) Next(after uint64) (app.Transaction, bool) {
	// Who walks the transactions asks for the one behind that which was returned last.
	i := p.walk
	if i == 0 || i >= len(p.txs) || p.txs[i-1].ID != after {
		i = p.above(after)
	}
	if i < len(p.txs) {
		p.walk = i + 1
		return p.txs[i], true
	}
	return nil, false
}

// Free implements app.Parser.
func (p *Parser) Free(id uint64) {
	i := p.above(id - 1)
	if id == 0 || i == len(p.txs) || p.txs[i].ID != id {
		return
	}
	t := p.txs[i]
	copy(p.txs[i:], p.txs[i+1:])
	p.txs[len(p.txs)-1] = nil
	p.txs = p.txs[:len(p.txs)-1]
	if p.index[t.stream] == t {
		delete(p.index, t.stream)
	}
	p.kit.giveTx(t)
}

// above finds the first transaction with an id above after.
func (p *Parser) above(after uint64) int {
	low, high := 0, len(p.txs)
	for low < high {
		if mid := int(uint(low+high) >> 1); p.txs[mid].ID > after {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// event puts an event on the newest transaction.
func (p *Parser) event(e uint8) {
	if n := len(p.txs); n > 0 {
		p.txs[n-1].Events.Set(e)
	}
}

// Parse implements app.Parser.
func (p *Parser) Parse(in *app.Input) app.Result {
	p.host, p.base, p.flags, p.now = in.Host, in.Offset, 0, in.Time
	r := p.parse(in.Dir, in.Data, in.EOF)
	p.host = nil
	r.Flags |= p.flags
	return r
}

func (p *Parser) parse(d app.Dir, b []byte, eof bool) app.Result {
	at := 0
	if d == app.ToServer && !p.begun {
		if len(b) == 0 {
			return app.Result{}
		}
		if len(b) < len(magic) {
			if eof {
				return app.Result{Consumed: len(b)}
			}
			return app.Result{Need: len(magic)}
		}
		if string(b[:len(magic)]) == magic {
			at = len(magic)
		} else {
			if !utf8.Valid(b[:len(magic)]) {
				return app.Result{Consumed: len(b), Status: app.Failed}
			}
			p.event(evInvalidClientMagic)
		}
		p.begun = true
	}
	if n := p.skip[d]; n > 0 {
		k := min(uint64(n), uint64(len(b)-at))
		p.skip[d] -= uint32(k)
		at += int(k)
	}
	for at < len(b) {
		h, ok := parseHeader(b[at:])
		if !ok {
			return app.Result{Consumed: at, Need: headerSize}
		}
		rest := b[at+headerSize:]
		n, whole := int(h.length), true
		if len(rest) < n {
			if n < maxWait {
				return app.Result{Consumed: at, Need: headerSize + n}
			}
			if len(rest) < minPart {
				return app.Result{Consumed: at, Need: headerSize + minPart}
			}
			p.event(evLongFrameData)
			p.skip[d] = h.length - uint32(len(rest))
			n, whole = len(rest), false
		}
		if h.length == 0 && h.kind == frameSettings { // an acknowledgement says nothing
			p.mark(uint64(at), h.length, 0)
		} else {
			if !p.frame(d, h, uint64(at), rest[:n], whole) {
				return app.Result{Consumed: len(b), Status: app.Failed}
			}
			p.flags |= app.TriggerRaw
		}
		at += headerSize + n
	}
	return app.Result{Consumed: at}
}

// mark registers the frames that rules may look at, of transaction tx; 0 = none.
func (p *Parser) mark(at uint64, length uint32, tx uint64) {
	if p.host == nil {
		return
	}
	off := p.base + at
	p.host.Frame(0, off, headerSize).SetTx(tx)
	p.host.Frame(1, off+headerSize, int64(length)).SetTx(tx)
	p.host.Frame(2, off, headerSize+int64(length)).SetTx(tx)
}

// frame handles one frame, which begins at offset at of the input. It reports false when the connection is beyond repair.
func (p *Parser) frame(d app.Dir, h frameHeader, at uint64, b []byte, whole bool) bool {
	f := frame{kind: h.kind}
	var set []setting
	var blocks []block
	stream := h.stream
	limited := false
	var sets [16]setting
	switch h.kind {
	case frameGoAway:
		if len(b) < 8 {
			p.event(evInvalidFrameLength)
			f.marks |= isBroken
			break
		}
		f.marks, f.value = hasCode, binary.BigEndian.Uint32(b[4:])
	case frameReset:
		if len(b) != 4 {
			p.event(evInvalidFrameLength)
			f.marks |= isBroken
			break
		}
		f.marks, f.value = hasCode, binary.BigEndian.Uint32(b)
	case framePriority:
		if len(b) != 5 {
			p.event(evInvalidFrameLength)
			f.marks |= isBroken
			break
		}
		f.marks, f.weight = hasPriority, b[4]
	case frameWindow:
		if len(b) != 4 {
			p.event(evInvalidFrameLength)
			f.marks |= isBroken
			break
		}
		f.marks, f.value = hasWindow, binary.BigEndian.Uint32(b)&0x7fffffff
	case frameSettings:
		set = parseSettings(sets[:0], b)
		f.marks = hasSettings
		for _, s := range set {
			if s.id == settingTableSize {
				p.table[d.Other()].setMax(uint64(s.value)) // what this side accepts
			}
		}
	case frameData, framePing:
	case frameHeaders, framePush, frameContinuation:
		var sid uint32
		blocks, sid, limited = p.headerBlock(d, h, b, whole, &f)
		if h.kind == framePush && f.marks&isBroken == 0 {
			stream = sid // the promise belongs to the stream it announces
		}
	default:
		f.marks |= isBroken
	}
	t := p.find(d, h, stream, f.marks&isBroken != 0)
	if t == nil {
		p.mark(at, h.length, 0)
		return false
	}
	p.mark(at, h.length, t.ID)
	if h.stream == 0 && h.kind != frameSettings && h.kind != frameWindow && h.kind != framePing && h.kind != frameGoAway {
		if h.kind == frameData {
			t.Events.Set(evDataStreamZero)
		} else {
			t.Events.Set(evInvalidFrameHeader)
		}
		return true
	}
	if f.marks&isBroken == 0 {
		before := t.Progress
		p.progress(t, d, h, stream, blocks)
		if t.Progress != before {
			t.Updated = [2]bool{true, true}
		}
	}
	if limited {
		t.Events.Set(evReassemblyLimitReached)
	}
	if len(t.frames[d]) < p.kit.conf.frames {
		if f.marks&hasBlocks != 0 {
			f.from = uint32(len(t.blocks[d]))
			t.blocks[d] = append(t.blocks[d], blocks...)
			f.to = uint32(len(t.blocks[d]))
			t.measure(d)
		}
		if f.marks&hasSettings != 0 {
			f.from = uint32(len(t.settings[d]))
			t.settings[d] = append(t.settings[d], set...)
			f.to = uint32(len(t.settings[d]))
		}
		t.frames[d] = append(t.frames[d], f)
	} else {
		t.Events.Set(evTooManyFrames)
	}
	if h.kind == frameData {
		return p.data(t, d, h, b)
	}
	return true
}

// scratchBlocks bounds the memory for entries that is kept between header blocks.
const scratchBlocks = 1 << 10

// headerBlock decodes the header block that a frame brings or ends. What it returns is valid until the next call.
func (p *Parser) headerBlock(d app.Dir, h frameHeader, b []byte, whole bool, f *frame) (out []block, promised uint32, limited bool) {
	f.marks |= hasBlocks
	bad := func() ([]block, uint32, bool) {
		f.marks = f.marks&^hasBlocks | isBroken
		if whole {
			p.event(evInvalidFrameData)
		}
		return nil, 0, limited
	}
	buf := &p.parts[d]
	if h.kind == frameHeaders && h.flags&flagEndHeaders == 0 {
		// Padding and priority stay in front of what is collected, as they are part of the frame.
		buf.data = append(buf.data[:0], b[:min(len(b), p.kit.conf.reassembly)]...)
		buf.stream = h.stream
		f.marks |= isContinued
		return nil, 0, false
	}
	if h.kind == frameContinuation && h.stream == buf.stream {
		room := p.kit.conf.reassembly - len(buf.data)
		if len(b) >= room && room > 0 {
			limited = true
		}
		buf.data = append(buf.data, b[:min(len(b), max(room, 0))]...)
		if h.flags&flagEndHeaders == 0 {
			f.marks |= isContinued
			return nil, 0, limited
		}
		b = buf.data
		buf.stream = 0
		defer func() { buf.data = buf.data[:0] }()
	}
	if h.kind != frameContinuation && h.flags&flagPadded != 0 {
		if len(b) < 1 {
			return bad()
		}
		b = b[1:] // the padding itself is read as entries, which is what the reference does
	}
	switch h.kind {
	case frameHeaders:
		if h.flags&flagPriority != 0 {
			if len(b) < 5 {
				return bad()
			}
			f.marks |= hasPriority
			f.weight = b[4]
			b = b[5:]
		}
	case framePush:
		if len(b) < 4 {
			return bad()
		}
		promised = binary.BigEndian.Uint32(b) & 0x7fffffff
		b = b[4:]
	}
	blocks, rest, ok := p.table[d].decode(p.kit.blocks[:0], b)
	if cap(blocks) <= scratchBlocks {
		p.kit.blocks = blocks
	}
	if !ok {
		return bad()
	}
	for i := range blocks {
		switch blocks[i].kind {
		case blockBadIndex, blockOverflow, blockIndex0:
			p.event(evInvalidHeader)
		}
	}
	if rest > 0 && h.kind == frameHeaders {
		p.event(evExtraHeaderData)
	}
	return blocks, promised, limited
}

// find returns the transaction that a frame belongs to, and makes it if needed; nil when there are too many.
func (p *Parser) find(d app.Dir, h frameHeader, stream uint32, broken bool) *Tx {
	if h.stream == 0 {
		if p.full() {
			return nil
		}
		t := p.create()
		t.Type = typeGlobal
		t.OneWay, t.Way = true, d
		t.Progress = [2]uint8{complete, complete}
		return t
	}
	if h.kind == frameContinuation && d == app.ToClient && !broken {
		if t := p.stream(stream); t != nil && t.child > 0 {
			stream = t.child
		}
	}
	if t := p.stream(stream); t != nil {
		if t.Progress == [2]uint8{complete, complete} && h.kind != frameReset && h.kind != frameWindow && h.kind != framePriority {
			p.event(evStreamIdReuse)
		}
		// Rules look at all fields of a stream anew when there is something new. If there are many frames that bring no data, they
		// do so when their number has doubled, and at the end.
		if t.count++; h.kind == frameData || h.kind == frameReset || t.count <= alwaysLook || t.count&(t.count-1) == 0 {
			t.Updated = [2]bool{true, true}
		}
		return t
	}
	if p.full() {
		return nil
	}
	t := p.create()
	t.Type, t.stream = typeStream, stream
	if p.index != nil {
		p.index[stream] = t
	}
	return t
}

// alwaysLook is the number of frames of a stream up to which rules look at each.
const alwaysLook = 64

func (p *Parser) create() *Tx {
	t := p.kit.tx()
	p.lastID++
	t.ID = p.lastID
	t.Updated = [2]bool{true, true}
	p.txs = append(p.txs, t)
	return t
}

// indexFrom is the number of live transactions from which streams are found by an index.
const indexFrom = 64

// stream finds the newest transaction of a stream.
func (p *Parser) stream(id uint32) *Tx {
	if p.index != nil {
		return p.index[id]
	}
	if len(p.txs) > indexFrom {
		p.index = make(map[uint32]*Tx, 2*len(p.txs))
		for _, t := range p.txs {
			if t.Type == typeStream {
				p.index[t.stream] = t
			}
		}
		return p.index[id]
	}
	for i := len(p.txs) - 1; i >= 0; i-- {
		if p.txs[i].stream == id {
			return p.txs[i]
		}
	}
	return nil
}

// full ends all transactions when there are too many.
func (p *Parser) full() bool {
	if len(p.txs) < p.kit.conf.streams {
		return false
	}
	for _, t := range p.txs {
		if t.dropped {
			break
		}
		t.dropped = true
		t.Events.Set(evTooManyStreams)
		t.Progress = [2]uint8{complete, complete}
		t.Updated = [2]bool{true, true}
	}
	return true
}

// progress moves a stream on.
func (p *Parser) progress(t *Tx, d app.Dir, h frameHeader, promised uint32, blocks []block) {
	switch h.kind {
	case framePush:
		if d == app.ToClient {
			if h.flags&flagEndHeaders == 0 {
				t.child = promised
			}
			t.Progress[d] = max(t.Progress[d], headers)
		}
	case frameContinuation:
		if d == app.ToClient && h.flags&flagEndHeaders != 0 {
			t.child = 0
		}
	case frameHeaders:
		if d == app.ToClient {
			t.child = 0
		}
	case frameReset:
		t.child = 0
	}
	if len(blocks) > 0 {
		p.fields(t, d, blocks)
	}
	if t.Type != typeStream || h.kind != frameHeaders && h.kind != frameData {
		return
	}
	switch {
	case h.flags&flagEndStream != 0:
		if t.Progress[d] < closed {
			t.Progress[d] = closed
			if t.Progress == [2]uint8{closed, closed} {
				t.Progress = [2]uint8{complete, complete}
			}
		}
	case h.kind == frameData:
		t.Progress[d] = max(t.Progress[d], data)
	default:
		t.Progress[d] = max(t.Progress[d], headers)
	}
}

const dnsType = "application/dns-message"

// fields reads what the header says of the body and the host.
func (p *Parser) fields(t *Tx, d app.Dir, blocks []block) {
	var authority, host, path []byte
	doh := false
	hasAuthority, hasHost := false, false
	for i := range blocks {
		b := &blocks[i]
		switch {
		case string(b.name) == "content-encoding":
			p.encoding(&t.half[d], b.value)
		case string(b.name) == "accept":
			doh = doh || string(b.value) == dnsType
		case string(b.name) == "content-type":
			if string(b.value) == dnsType {
				t.half[d].isDNS = true
			}
		case string(b.name) == ":path":
			path = b.value
		case equalFold(b.name, ":authority"):
			authority, hasAuthority = b.value, true
			if bytes.IndexByte(b.value, '@') >= 0 { // RFC 9113, 8.3.1 forbids it
				t.Events.Set(evUserinfoInUri)
			}
		case equalFold(b.name, "host"):
			host, hasHost = b.value, true
		}
	}
	if hasAuthority && hasHost && !bytes.EqualFold(authority, host) {
		t.Events.Set(evAuthorityHostMismatch)
	}
	const query = "/dns-query?dns="
	if doh && bytes.HasPrefix(path, []byte(query)) && len(path) < 1<<17 {
		if msg, err := base64.RawStdEncoding.AppendDecode(t.half[d].dns[:0], path[len(query):]); err == nil {
			t.half[d].dns = msg
		}
	}
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

var (
	_ app.Parser   = (*Parser)(nil)
	_ app.Resetter = (*Parser)(nil)
)
