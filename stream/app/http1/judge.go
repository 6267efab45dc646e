package http1

import (
	"bytes"

	"sentinel/stream/app"
)

// judgeRequest reads what the header fields say of the body and the host.
func (p *Parser) judgeRequest(t *Tx) {
	m := &t.msg[app.ToServer]
	te, cl := t.header(app.ToServer, "transfer-encoding"), t.header(app.ToServer, "content-length")
	switch {
	case te != nil:
		if !containsNoZero(t.get(te.value), "chunked") {
			m.coding = codingInvalid
			t.flags |= txInvalidTE
			break
		}
		if m.version < version11 {
			t.flags |= txInvalidTE | txSmuggling
		}
		m.coding = codingChunked
		if cl != nil {
			t.flags |= txSmuggling // RFC 9112, 6.3: the two disagree about where the message ends
		}
	case cl != nil:
		if cl.flags&hdrRepeated != 0 {
			t.flags |= txSmuggling
		}
		n, before, after, found := contentLength(t.get(cl.value))
		p.lengthEvents(before, after)
		if found && n <= 1<<62 {
			m.coding, m.length = codingIdentity, int64(n)
		} else {
			m.coding = codingInvalid
			t.flags |= txInvalidCL
		}
	default:
		m.coding = codingNone
	}
	t.host = t.uriHost
	if f := t.header(app.ToServer, "host"); f != nil {
		hp, found := parseHostPort(t.get(f.value))
		if !found {
			if t.host.at != 0 {
				t.flags |= txHostAmbiguous
			}
		} else {
			if !hp.valid {
				t.flags |= txHostHInvalid
			}
			if t.host.at == 0 {
				n := len(t.text)
				t.text = append(t.text, hp.host...)
				for i := n; i < len(t.text); i++ {
					t.text[i] = lower(t.text[i])
				}
				t.host = t.since(n)
				if hp.hasPort {
					t.port = -1
					if hp.number != 0 {
						t.port = int32(hp.number)
					}
				}
			} else {
				if !bytes.EqualFold(t.get(t.host), hp.host) {
					t.flags |= txHostAmbiguous
				}
				if hp.hasPort && t.port >= 0 && t.port != int32(hp.number) {
					t.flags |= txHostAmbiguous
				}
			}
		}
	} else if m.version >= version11 {
		t.flags |= txHostMissing
	}
	if v := t.value(app.ToServer, "authorization"); v != nil && !prefixFold(v, "basic") && !prefixFold(v, "digest") && !prefixFold(v, "bearer") {
		t.flags |= txAuthUnknown
	}
}

func prefixFold(b []byte, s string) bool { return len(b) >= len(s) && equalFold(b[:len(s)], s) }

func (p *Parser) lengthEvents(before, after bool) {
	if before {
		p.event(evContentLengthExtraDataStart)
	}
	if after {
		p.event(evContentLengthExtraDataEnd)
	}
}
