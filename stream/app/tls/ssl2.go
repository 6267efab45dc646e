package tls

import (
	"sentinel/stream/app"
)

// The message types of SSL 2.0.
const (
	ssl2Error           = 0
	ssl2ClientHello     = 1
	ssl2MasterKey       = 2
	ssl2ClientFinished  = 3
	ssl2ServerHello     = 4
	ssl2ServerVerify    = 5
	ssl2ServerFinished  = 6
	ssl2RequestCert     = 7
	ssl2ClientCert      = 8
	ssl2HelloFixedBytes = 6 // version, lengths of ciphers and session id
)

// ssl2 reads a record of SSL 2.0: a length of two bytes, or of three with padding, and a message.
func (p *parser) ssl2(in *app.Input, r *app.Result) {
	t := &p.tx
	s := &t.side[in.Dir]
	b := in.Data[r.Consumed:]
	s.version, p.touched = version2, true
	head, mask := 2, byte(0x7f)
	if b[0]&0x80 == 0 {
		head, mask = 3, 0x3f
	}
	if len(b) < head+1 {
		r.Need = head + 1
		return
	}
	at := in.Offset + uint64(r.Consumed)
	size := int(b[0]&mask)<<8 | int(b[1])
	if len(b) < head+size {
		r.Need = head + size
		return
	}
	in.Host.Frame(frameSSL2Header, at, int64(head+1))
	in.Host.Frame(frameSSL2PDU, at, int64(head+size))
	if size == 0 {
		t.Events.Set(evSSL2Header)
		t.Events.Set(evRecord)
		r.Status = app.Failed
		return
	}
	if !p.ssl2Message(in.Dir, b[head], b[head+1:head+size], r) {
		t.Events.Set(evRecord)
		r.Status = app.Failed
		return
	}
	t.flags |= t.current
	r.Consumed += head + size
}

func (p *parser) ssl2Message(d app.Dir, typ uint8, b []byte, r *app.Result) bool {
	t := &p.tx
	switch typ {
	case ssl2Error:
		t.Events.Set(evErrorMessage)
	case ssl2ClientHello:
		if len(b) < ssl2HelloFixedBytes {
			return false
		}
		t.current = flagClientHello | flagSSL2Client
		t.raise(toServer, clientHelloDone)
		t.side[d].version = uint16(b[0])<<8 | uint16(b[1])
		if b[4] == 0 && b[5] == 0 {
			t.current |= flagSSL2NoSession
		}
	case ssl2MasterKey:
		t.current = flagSSL2MasterKey
	case ssl2ServerHello:
		t.current = flagServerHello | flagSSL2Server
		t.raise(toClient, serverHello)
	case ssl2ClientCert, ssl2ServerVerify, ssl2ServerFinished, ssl2ClientFinished, ssl2RequestCert:
		if typ == ssl2ClientCert {
			if d == toServer {
				t.current = flagClientKeyx
			}
			t.raise(toClient, serverCertDone)
		}
		p.ssl2Encrypted(d, r)
	}
	return true
}

// ssl2Encrypted notes that a side encrypts from now on, if both hellos were seen.
func (p *parser) ssl2Encrypted(d app.Dir, r *app.Result) {
	t := &p.tx
	if t.flags&flagSSL2Client == 0 || t.flags&flagSSL2Server == 0 {
		return
	}
	switch {
	case d == toClient:
		t.current = flagSSL2ServerEncrypted
	case t.flags&flagSSL2NoSession != 0:
		t.current |= flagSSL2ClientEncrypted
	case t.flags&flagSSL2MasterKey != 0:
		t.current = flagSSL2ClientEncrypted
	}
	if t.flags&flagSSL2ClientEncrypted == 0 || t.flags&flagSSL2ServerEncrypted == 0 {
		return
	}
	if p.config.mode != full {
		r.Flags |= app.NoInspect
	}
	if p.config.mode == bypass {
		r.Flags |= app.NoReassembly | app.BypassFlow
	}
}
