package tls

import (
	"crypto/sha1"

	"sentinel/internal/cursor"
	"sentinel/stream/app"
	"sentinel/stream/app/internal/x509"
)

// The types of handshake messages (RFC 5246, 7.4).
const (
	hsHelloRequest      = 0
	hsClientHello       = 1
	hsServerHello       = 2
	hsNewTicket         = 4
	hsCertificate       = 11
	hsServerKeyExchange = 12
	hsCertRequest       = 13
	hsServerHelloDone   = 14
	hsCertVerify        = 15
	hsClientKeyExchange = 16
	hsFinished          = 20
	hsCertURL           = 21
	hsCertStatus        = 22
)

// maxMessage bounds a handshake message that is collected from several records. Certificate chains are the longest.
const maxMessage = 1 << 20

const maxCerts = 256

// maxHellos bounds the hellos of a client from which JA4 is made anew: each is hashed with all before it. There are two where the
// server asks for another one (RFC 8446, 4.1.4).
const maxHellos = 8

func knownMessage(t uint8) bool {
	switch t {
	case hsHelloRequest, hsClientHello, hsServerHello, hsNewTicket, hsCertificate, hsServerKeyExchange, hsCertRequest,
		hsServerHelloDone, hsCertVerify, hsClientKeyExchange, hsFinished, hsCertURL, hsCertStatus:
		return true
	}
	return false
}

// handshake reads the body of a handshake record, in which messages begin and end anywhere. It returns false for damage that ends
// parsing.
func (t *Tx) handshake(d app.Dir, b []byte) bool {
	s := &t.side[d]
	for len(b) > 0 {
		if s.messageSize > 0 {
			n := min(s.messageSize-len(s.message), len(b))
			s.message = append(s.message, b[:n]...)
			b = b[n:]
			if len(s.message) == s.messageSize {
				t.message(d, s.messageType, s.message)
				s.message, s.messageSize = s.message[:0], 0
			}
			continue
		}
		c := cursor.Cursor(b)
		var typ uint8
		var size uint32
		if !c.U8(&typ) || !c.U24(&size) {
			t.Events.Set(evRecord)
			return false
		}
		b = c
		if !knownMessage(typ) {
			b = b[min(int(size), len(b)):]
			ccs := flagClientCCS
			if d == toClient {
				ccs = flagServerCCS
			}
			if t.flags&ccs == 0 { // else it is encrypted
				t.Events.Set(evHandshakeMessage)
			}
			continue
		}
		if int(size) > len(b) {
			if size > maxMessage {
				t.Events.Set(evHandshakeMessage)
				return false
			}
			s.messageType, s.messageSize = typ, int(size)
			s.message = append(s.message[:0], b...)
			return true
		}
		t.message(d, typ, b[:size])
		b = b[size:]
	}
	return true
}

// message reads a whole handshake message.
func (t *Tx) message(d app.Dir, typ uint8, b []byte) {
	s := &t.side[d]
	switch typ {
	case hsClientHello:
		t.current = flagClientHello
		if t.hellos < maxHellos {
			t.hellos++
			t.hasJA4 = false
		}
		if t.hello(s, b, false, t.useJA3) {
			t.helloDone(d)
		}
	case hsServerHello:
		t.current = flagServerHello
		if t.hello(s, b, true, t.useJA3) {
			t.helloDone(d)
		}
	case hsServerKeyExchange:
		t.current = flagServerKeyx
	case hsClientKeyExchange:
		t.current = flagClientKeyx
	case hsCertificate:
		t.certificates(s, b)
		if d == toServer {
			t.raise(d, clientCertDone)
		} else {
			t.raise(d, serverCertDone)
		}
	case hsCertRequest:
		if d == toClient {
			t.current = flagNeedClientCert
		}
	case hsServerHelloDone:
		if d == toClient {
			t.raise(d, serverHelloDone)
		}
	}
	t.flags |= t.current
}

func (t *Tx) helloDone(d app.Dir) {
	if d == toServer {
		t.raise(d, clientHelloDone)
	} else {
		t.raise(d, serverHello)
	}
}

// certificates reads a chain (RFC 5246, 7.4.2). Only the first one of a session counts.
func (t *Tx) certificates(s *side, b []byte) {
	c := cursor.Cursor(b)
	var list, cert cursor.Cursor
	if !c.Vec24(&list) || s.certsSeen {
		return
	}
	s.certsSeen = true
	for first := true; len(list) > 0; {
		if !list.Vec24(&cert) {
			t.Events.Set(evCertificate)
			return
		}
		// The first certificate that can be read is shown; those that cannot be are no part of the chain.
		if first && !s.hasCert {
			if err := s.cert.Parse(cert); err != x509.OK {
				t.Events.Set(certEvent(err))
				continue
			}
			s.hasCert = true
			fingerprint(&s.print, cert)
		}
		first = false
		if len(s.chainEnds) < maxCerts {
			s.chain = append(s.chain, cert...)
			s.chainEnds = append(s.chainEnds, len(s.chain))
		}
	}
}

func certEvent(err x509.Error) uint8 {
	switch err {
	case x509.InvalidLength:
		return evCertLength
	case x509.InvalidVersion:
		return evCertVersion
	case x509.InvalidSerial:
		return evCertSerial
	case x509.InvalidAlgorithm:
		return evCertAlgorithm
	case x509.InvalidName:
		return evCertName
	case x509.InvalidDate:
		return evCertDate
	case x509.InvalidExtensions:
		return evCertExtensions
	case x509.InvalidDER:
		return evCertDER
	}
	return evCertificate
}

func fingerprint(dst *[59]byte, der []byte) {
	const digits = "0123456789abcdef"
	sum := sha1.Sum(der)
	for i, c := range sum {
		dst[3*i], dst[3*i+1] = digits[c>>4], digits[c&15]
		if i < len(sum)-1 {
			dst[3*i+2] = ':'
		}
	}
}
