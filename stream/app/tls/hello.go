package tls

import (
	"sentinel/internal/cursor"
	"sentinel/stream/app/internal/ja"
)

// The extensions that are read (IANA, TLS ExtensionType values).
const (
	extServerName    = 0
	extCurves        = 10
	extPointFormats  = 11
	extSigAlgs       = 13
	extALPN          = 16
	extSessionTicket = 35
	extEarlyData     = 42
	extVersions      = 43
)

// maxList bounds what several hellos of one side may add up to.
const maxList = 1 << 15

// hello reads the body of a hello: the client's, or the server's. It returns whether the hello was sound to the end; what was read
// before damage stays.
func (t *Tx) hello(s *side, b []byte, server, wantJA3 bool) bool {
	c := cursor.Cursor(b)
	var version uint16
	if !c.U16(&version) {
		t.Events.Set(evHandshakeLength)
		return false
	}
	s.version = version
	if version > s.hs.Version && !ja.Grease(version) {
		s.hs.Version = version
	}
	s.helloSeen = true
	// Drafts up to 21 of TLS 1.3 negotiate in this field, and those up to 15 call themselves the final version.
	if server && (version == version13 || version>>8 == 0x7f) {
		t.flags |= flagLogWithoutCert
	}
	if version >= 0x7f01 && version < 0x7f10 || version == version13 {
		s.version = version13PreDraft16
	}
	wantJA3 = wantJA3 && !s.hasHash
	if wantJA3 && len(s.ja3) == 0 {
		s.ja3 = ja.AppendValue(s.ja3, 0, version)
	}

	var random []byte
	if !c.Bytes(&random, 32) {
		t.Events.Set(evHandshakeLength)
		return false
	}
	into := &t.side[toServer]
	if server {
		into = &t.side[toClient]
	}
	into.hasRandom = true
	copy(into.random[:], random)

	early := server && t.flags&flagLogWithoutCert != 0 // has neither session id nor compression
	if !early && !t.sessionID(s, &c, server) {
		t.Events.Set(evHandshakeLength)
		return false
	}
	var ciphers cursor.Cursor
	if server && !c.Sub(&ciphers, 2) || !server && !c.Vec16(&ciphers) || len(ciphers)%2 != 0 {
		t.Events.Set(evHandshakeLength)
		return false
	}
	if wantJA3 {
		s.ja3 = append(s.ja3, ',')
	}
	start := len(s.ja3)
	var v uint16
	for ciphers.U16(&v) {
		if ja.Grease(v) {
			continue
		}
		if len(s.hs.Ciphers) < maxList {
			s.hs.Ciphers = append(s.hs.Ciphers, v)
		}
		if wantJA3 {
			s.ja3 = ja.AppendValue(s.ja3, start, v)
		}
	}
	var skip cursor.Cursor
	if !early && (server && !c.Skip(1) || !server && !c.Vec8(&skip)) {
		t.Events.Set(evHandshakeLength)
		return false
	}
	if !t.extensions(s, c, server, wantJA3) {
		return false
	}
	if wantJA3 {
		s.hash = ja.Hash(s.ja3)
		s.hasHash = true
	}
	return true
}

func (t *Tx) sessionID(s *side, c *cursor.Cursor, server bool) bool {
	var id cursor.Cursor
	if !c.Vec8(&id) {
		return false
	}
	if len(id) == 0 || len(s.sessionID) > 0 {
		return true
	}
	s.sessionID = append(s.sessionID, id...)
	if server && string(t.side[toServer].sessionID) == string(t.side[toClient].sessionID) {
		t.flags |= flagResumed
	}
	return true
}

// extensions reads the extensions, which may be missing altogether (RFC 5246, 7.4.1.2).
func (t *Tx) extensions(s *side, c cursor.Cursor, server, wantJA3 bool) bool {
	t.curves, t.points = t.curves[:0], t.points[:0]
	if wantJA3 {
		s.ja3 = append(s.ja3, ',')
	}
	start := len(s.ja3)
	if len(c) >= 2 {
		var list cursor.Cursor
		if !c.Vec16(&list) {
			t.Events.Set(evHandshakeLength)
			return false
		}
		for len(list) > 0 {
			var typ uint16
			var ext cursor.Cursor
			if !list.U16(&typ) || !list.Vec16(&ext) {
				t.Events.Set(evHandshakeLength)
				return false
			}
			if !t.extension(s, typ, ext, server, wantJA3) {
				break
			}
			if ja.Grease(typ) {
				continue
			}
			if wantJA3 {
				s.ja3 = ja.AppendValue(s.ja3, start, typ)
			}
			if len(s.hs.Extensions) < maxList {
				s.hs.Extensions = append(s.hs.Extensions, typ)
			}
		}
	}
	if wantJA3 && !server {
		s.ja3 = append(append(s.ja3, ','), t.curves...)
		s.ja3 = append(append(s.ja3, ','), t.points...)
	}
	return true
}

// extension reads one extension. It returns false if it is broken, which ends the reading.
func (t *Tx) extension(s *side, typ uint16, c cursor.Cursor, server, wantJA3 bool) bool {
	switch typ {
	case extEarlyData:
		if !server {
			t.flags |= flagEarlyData
		}
		return true
	case extSessionTicket:
		// Whether the ticket was taken shows later: the server then sends no certificate.
		if !server {
			t.flags |= flagResumed
		}
		return true
	}
	if len(c) == 0 {
		return true
	}
	ok := true
	switch typ {
	case extServerName:
		return t.serverName(s, c)
	case extCurves:
		var list cursor.Cursor
		ok = c.Vec16(&list)
		if ok && !server && wantJA3 {
			ok = len(list)%2 == 0
			var v uint16
			for list.U16(&v) {
				if !ja.Grease(v) {
					t.curves = ja.AppendValue(t.curves, 0, v)
				}
			}
		}
	case extPointFormats:
		var list cursor.Cursor
		ok = c.Vec8(&list)
		if ok && !server && wantJA3 {
			for _, v := range list {
				t.points = ja.AppendValue(t.points, 0, uint16(v))
			}
		}
	case extSigAlgs:
		var list cursor.Cursor
		ok = c.Vec16(&list) && len(list)%2 == 0
		if ok && !server {
			var v uint16
			for list.U16(&v) {
				if !ja.Grease(v) && len(s.hs.SigAlgs) < maxList {
					s.hs.SigAlgs = append(s.hs.SigAlgs, v)
				}
			}
		}
	case extALPN:
		var list, name cursor.Cursor
		ok = c.Vec16(&list)
		for ok && len(list) > 0 {
			if !list.Vec8(&name) {
				break
			}
			s.addALPN(name)
		}
	case extVersions:
		ok = t.versions(s, c, server)
	}
	if !ok {
		t.Events.Set(evHandshakeLength)
	}
	return ok
}

// serverName reads the name of the host (RFC 6066, 3).
func (t *Tx) serverName(s *side, c cursor.Cursor) bool {
	var kind uint8
	var name cursor.Cursor
	if !c.Skip(2) || !c.U8(&kind) {
		t.Events.Set(evHandshakeLength)
		return false
	}
	if kind != 0 {
		t.Events.Set(evSNIType)
		return false
	}
	if len(c) < 2 {
		t.Events.Set(evHandshakeLength)
		return false
	}
	if !c.Vec16(&name) || len(name) > 255 || len(name) == 0 {
		t.Events.Set(evSNILength)
		return false
	}
	if len(s.sni) > 0 {
		t.Events.Set(evMultipleSNI)
		return true
	}
	s.sni = append(s.sni, name...)
	return true
}

// versions reads supported_versions (RFC 8446, 4.2.1): of the client's the first one that is known counts.
func (t *Tx) versions(s *side, c cursor.Cursor, server bool) bool {
	var v uint16
	if server {
		if !c.U16(&v) {
			return false
		}
		if t.flags&flagVersionsSeen != 0 && v > version12 {
			t.flags |= flagLogWithoutCert
		}
		s.version = v
		return true
	}
	var list cursor.Cursor
	if !c.Vec8(&list) || len(list) < 2 {
		return false
	}
	for list.U16(&v) {
		if validVersion(v) {
			s.version = v
			if v > s.hs.Version {
				s.hs.Version = v
			}
			break
		}
	}
	t.flags |= flagVersionsSeen
	return true
}

// addALPN keeps the name of an application protocol.
func (s *side) addALPN(name []byte) {
	if len(name) == 0 || len(s.alpnEnds) >= 256 {
		return
	}
	s.alpn = append(s.alpn, name...)
	s.alpnEnds = append(s.alpnEnds, len(s.alpn))
}

// alpnAt returns the name of application protocol i.
func (s *side) alpnAt(i int) ([]byte, bool) {
	if i >= len(s.alpnEnds) {
		return nil, false
	}
	from := 0
	if i > 0 {
		from = s.alpnEnds[i-1]
	}
	to := s.alpnEnds[i]
	return s.alpn[from:to:to], true
}
