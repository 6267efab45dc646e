package tls

import (
	"strconv"
	"strings"
	"time"

	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
)

// The fields of an event, as bits of LogOptions.Flags.
const (
	fieldVersion uint64 = 1 << iota
	fieldSubject
	fieldIssuer
	fieldSerial
	fieldFingerprint
	fieldNotBefore
	fieldNotAfter
	fieldSNI
	fieldCertificate
	fieldChain
	fieldResumed
	fieldJA3
	fieldJA3S
	fieldClient
	fieldClientCert
	fieldClientChain
	fieldJA4
	fieldNames
	fieldClientALPN
	fieldServerALPN
	fieldClientHello
	fieldServerHello
	logResumed // sessions without a certificate are logged if they are resumed ones
	prepared

	basicFields    = fieldSubject | fieldIssuer | fieldNames
	extendedFields = basicFields | fieldVersion | fieldSerial | fieldFingerprint | fieldNotBefore | fieldNotAfter | fieldJA3 |
		fieldJA3S | fieldJA4 | fieldClient | fieldClientALPN | fieldServerALPN | fieldSNI
)

var fieldNamesList = []string{
	"version", "subject", "issuer", "serial", "fingerprint", "not_before", "not_after", "sni", "certificate", "chain",
	"session_resumed", "ja3", "ja3s", "client", "client_certificate", "client_chain", "ja4", "subjectaltname", "client_alpns",
	"server_alpns", "client_handshake", "server_handshake",
}

// prepareLog reads the options of the tls event type: extended, custom, session-resumption.
func prepareLog(n *conf.Node, warn func(string, ...any)) uint64 {
	if !n.Exists() {
		return prepared | basicFields
	}
	flags := uint64(basicFields)
	if n.Child("extended").IsTrue() {
		flags = extendedFields
	}
	if custom := n.Child("custom"); custom.Exists() {
		flags = 0
		for _, s := range custom.Strings() {
			known := false
			for i, name := range fieldNamesList {
				if strings.EqualFold(name, s) {
					flags |= 1 << i
					known = true
				}
			}
			if !known {
				warn("tls: unknown custom field %q", s)
			}
		}
	}
	if n.Child("session-resumption").Bool(true) {
		flags |= fieldResumed | logResumed
	}
	if flags&fieldCertificate != 0 && flags&fieldChain != 0 {
		warn("tls: both certificate and chain contain the first certificate")
	}
	if flags&fieldClientCert != 0 && flags&fieldClientChain != 0 {
		warn("tls: both client_certificate and client_chain contain the first certificate")
	}
	if flags&(fieldClientCert|fieldClientChain) != 0 {
		flags |= fieldClient
	}
	return flags | prepared
}

// logTx writes the event of a session. Those without certificate make none, but for TLS 1.3, which hides it, and resumed ones.
func logTx(tx app.Transaction, w *jsonw.Builder, o *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	flags := o.Flags
	if flags == 0 {
		flags = prepareLog(o.Node, func(string, ...any) {})
	}
	if !t.side[toClient].hasCert && (t.flags&flagResumed == 0 || flags&logResumed == 0) && t.flags&flagLogWithoutCert == 0 {
		return false
	}
	t.logFields(w, flags)
	if o.Flow != nil && t.config != nil {
		if name := t.config.orig[o.Flow.AppOrig]; name != "" {
			w.String("from_proto", name)
		}
	}
	return true
}

// logMeta writes the session into alerts, with the fields of extended events.
func logMeta(tx app.Transaction, w *jsonw.Builder, _ *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	t.logFields(w, extendedFields)
	return true
}

func (t *Tx) logFields(w *jsonw.Builder, flags uint64) {
	c, s := &t.side[toServer], &t.side[toClient]
	if s.hasCert {
		if flags&fieldSubject != 0 {
			w.Str("subject", s.cert.Subject())
		}
		if flags&fieldIssuer != 0 {
			w.Str("issuerdn", s.cert.Issuer())
		}
		if n := s.cert.Names(); n > 0 && flags&fieldNames != 0 {
			w.OpenArray("subjectaltname")
			for i := range n {
				w.ElemStr(s.cert.Name(i))
			}
			w.Close()
		}
	}
	if flags&fieldResumed != 0 && t.flags&flagResumed != 0 && !s.hasCert && t.flags&flagServerHello != 0 &&
		t.flags&flagLogWithoutCert == 0 {
		w.Bool("session_resumed", true)
	}
	if s.hasCert && flags&fieldSerial != 0 {
		w.Str("serial", s.cert.Serial())
	}
	if s.hasCert && flags&fieldFingerprint != 0 {
		w.Str("fingerprint", s.print[:])
	}
	if len(c.sni) > 0 && flags&fieldSNI != 0 {
		w.Str("sni", c.sni)
	}
	if flags&fieldVersion != 0 {
		v := s.version
		if v == 0 {
			v = c.version
		}
		writeVersion(w, v)
	}
	if s.hasCert && flags&fieldNotBefore != 0 {
		writeDate(w, "notbefore", s.cert.NotBefore)
	}
	if s.hasCert && flags&fieldNotAfter != 0 {
		writeDate(w, "notafter", s.cert.NotAfter)
	}
	if flags&fieldCertificate != 0 {
		t.logCertificate(w, toClient)
	}
	if flags&fieldChain != 0 {
		t.logChain(w, toClient)
	}
	if flags&fieldJA3 != 0 {
		c.logJA3(w, "ja3")
	}
	if flags&fieldJA3S != 0 {
		s.logJA3(w, "ja3s")
	}
	if flags&fieldJA4 != 0 {
		if b := t.JA4(); b != nil {
			w.Str("ja4", b)
		}
	}
	if flags&fieldClientALPN != 0 {
		c.logALPN(w, "client_alpns")
	}
	if flags&fieldServerALPN != 0 {
		s.logALPN(w, "server_alpns")
	}
	if flags&fieldClientHello != 0 && c.helloSeen {
		w.OpenObject("client_handshake")
		if name := versionName(c.hs.Version); name != "" {
			w.String("version", name)
		}
		writeList(w, "ciphers", c.hs.Ciphers)
		writeList(w, "exts", c.hs.Extensions)
		writeList(w, "sig_algs", c.hs.SigAlgs)
		w.Close()
	}
	if flags&fieldServerHello != 0 && s.helloSeen {
		w.OpenObject("server_handshake")
		if name := versionName(s.hs.Version); name != "" {
			w.String("version", name)
		}
		var cipher uint16
		if len(s.hs.Ciphers) > 0 {
			cipher = s.hs.Ciphers[0]
		}
		w.Uint("cipher", uint64(cipher))
		writeList(w, "exts", s.hs.Extensions)
		w.Close()
	}
	if flags&fieldClient != 0 && c.hasCert {
		w.OpenObject("client")
		t.logClient(w, flags)
		w.Close()
	}
}

func (t *Tx) logClient(w *jsonw.Builder, flags uint64) {
	c := &t.side[toServer]
	w.Str("subject", c.cert.Subject())
	w.Str("issuerdn", c.cert.Issuer())
	w.Str("fingerprint", c.print[:])
	w.Str("serial", c.cert.Serial())
	writeDate(w, "notbefore", c.cert.NotBefore)
	writeDate(w, "notafter", c.cert.NotAfter)
	if flags&fieldClientCert != 0 {
		t.logCertificate(w, toServer)
	}
	if flags&fieldClientChain != 0 {
		t.logChain(w, toServer)
	}
}

func (t *Tx) logCertificate(w *jsonw.Builder, d app.Dir) {
	if b, ok := t.Certificate(d, 0); ok {
		w.Base64("certificate", b)
	}
}

func (t *Tx) logChain(w *jsonw.Builder, d app.Dir) {
	if t.Certificates(d) == 0 {
		return
	}
	w.OpenArray("chain")
	for i := 0; ; i++ {
		b, ok := t.Certificate(d, i)
		if !ok {
			break
		}
		w.ElemBase64(b)
	}
	w.Close()
}

func (s *side) logJA3(w *jsonw.Builder, key string) {
	if len(s.ja3) == 0 {
		return
	}
	w.OpenObject(key)
	if s.hasHash {
		w.Str("hash", s.hash[:])
	}
	w.Str("string", s.ja3)
	w.Close()
}

func (s *side) logALPN(w *jsonw.Builder, key string) {
	if len(s.alpnEnds) == 0 {
		return
	}
	w.OpenArray(key)
	for i := range s.alpnEnds {
		b, _ := s.alpnAt(i)
		w.ElemStr(b)
	}
	w.Close()
}

func writeList(w *jsonw.Builder, key string, list []uint16) {
	if len(list) == 0 {
		return
	}
	w.OpenArray(key)
	for _, v := range list {
		w.ElemUint(uint64(v))
	}
	w.Close()
}

func writeVersion(w *jsonw.Builder, v uint16) {
	if name := versionName(v); name != "" {
		w.String("version", name)
		return
	}
	var buf [5]byte
	w.Str("version", strconv.AppendUint(buf[:0], uint64(v), 10))
}

func writeDate(w *jsonw.Builder, key string, secs int64) {
	if secs == 0 {
		return
	}
	var buf [24]byte
	w.Str(key, time.Unix(secs, 0).UTC().AppendFormat(buf[:0], "2006-01-02T15:04:05"))
}
