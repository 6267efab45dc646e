package http2

import (
	"encoding/base64"

	"sentinel/stream/app"
)

// Upgrader is what the parser of HTTP/1 offers: the request that asked for the upgrade, as fields of HTTP/2.
type Upgrader interface {
	Upgraded(field func(name, value []byte)) bool
}

// Inherit takes over from the parser before an upgrade: the request of HTTP/1 that was upgraded is stream 1 (RFC 7540, 3.2).
func (p *Parser) Inherit(old app.Parser) {
	u, ok := old.(Upgrader)
	if !ok {
		return
	}
	u.Upgraded(func(name, value []byte) {
		if string(name) == "HTTP2-Settings" {
			p.upgradeSettings(value)
			return
		}
		if equalFold(name, "host") {
			name = []byte(":authority")
		}
		h := frameHeader{kind: frameHeaders, stream: 1}
		t := p.find(app.ToServer, h, 1, false)
		if t == nil {
			return
		}
		tb := &p.table[app.ToServer]
		tb.ids++
		n := uint32(len(t.blocks[app.ToServer]))
		t.blocks[app.ToServer] = append(t.blocks[app.ToServer],
			block{name: append([]byte(nil), name...), value: append([]byte{}, value...), id: tb.ids})
		t.frames[app.ToServer] = append(t.frames[app.ToServer], frame{kind: frameHeaders, marks: hasBlocks, from: n, to: n + 1})
		t.Progress[app.ToServer] = closed // the client has said what it wants
	})
}

func (p *Parser) upgradeSettings(v []byte) {
	b, err := base64.StdEncoding.AppendDecode(nil, v)
	if err != nil {
		p.event(evInvalidHttp1Settings)
		return
	}
	if len(b)%6 != 0 {
		p.event(evInvalidHttp1Settings)
	}
	t := p.find(app.ToServer, frameHeader{kind: frameSettings}, 0, false)
	if t == nil {
		return
	}
	t.settings[app.ToServer] = parseSettings(t.settings[app.ToServer], b)
	t.frames[app.ToServer] = append(t.frames[app.ToServer],
		frame{kind: frameSettings, marks: hasSettings, to: uint32(len(t.settings[app.ToServer]))})
}
