package tls

import (
	"sentinel/stream/app"
	"sentinel/stream/app/internal/ja"
	"sentinel/stream/app/internal/x509"
)

const (
	toServer = app.ToServer
	toClient = app.ToClient
)

// The progress of the client's side.
const (
	clientInProgress = iota
	clientHelloDone
	clientCertDone
	clientHandshakeDone
	clientFinished
)

// The progress of the server's side.
const (
	serverInProgress = iota
	serverHello
	serverCertDone
	serverHelloDone
	serverHandshakeDone
	serverFinished
)

// What was seen of a session.
const (
	flagServerCCS uint32 = 1 << iota
	flagClientCCS
	flagCCS
	flagSSL2Client
	flagSSL2Server
	flagSSL2MasterKey
	flagSSL2ClientEncrypted
	flagSSL2ServerEncrypted
	flagSSL2NoSession
	flagClientHello // the next five are the bits of ssl_state
	flagServerHello
	flagClientKeyx
	flagServerKeyx
	flagUnknown
	flagHeartbeat // a request waits for its response
	flagHeartbeatClient
	flagHeartbeatServer
	flagResumed
	flagVersionsSeen
	flagLogWithoutCert
	flagEarlyData
	flagNeedClientCert
)

// side is what one of the two peers has shown.
type side struct {
	// the record being read
	version     uint16
	contentType uint8
	size        int // of the record's body
	left        int // bytes of the record that are to come; -1 = at the start of a record

	random    [32]byte
	hasRandom bool
	helloSeen bool
	hasCert   bool // the first certificate was read
	hasHash   bool
	certsSeen bool
	hash      [32]byte // of ja3, in hex
	print     [59]byte // SHA-1 of the first certificate, in hex with colons
	cert      x509.Cert
	sessionID []byte
	sni       []byte
	ja3       []byte
	alpn      []byte // names of application protocols, one after the other
	alpnEnds  []int
	hs        ja.Hello
	chain     []byte // the certificates as sent, one after the other
	chainEnds []int

	// a handshake message in several records
	message     []byte
	messageType uint8
	messageSize int // 0 = none
}

// Tx is a session.
type Tx struct {
	app.Tx
	side    [2]side
	flags   uint32
	current uint32  // flags of what the newest records brought, for ssl_state
	hbSize  int     // length of the encrypted heartbeat request
	now     int64   // nanoseconds, of the newest packet
	keep    [2]bool // a rule asked for the certificates of the side to be stored

	ja4    [ja.Size]byte
	hasJA4 bool
	useJA3 bool
	hellos uint8  // of the client, as far as they count for JA4
	curves []byte // of the hello being read
	points []byte
	config *config
}

// raise moves the progress of a side; it never goes back.
func (t *Tx) raise(d app.Dir, p uint8) {
	if p > t.Progress[d] {
		t.Progress[d] = p
	}
}

func small(b []byte, limit int) []byte {
	if cap(b) > limit {
		return nil
	}
	return b[:0]
}

func (s *side) reset() {
	s.cert.Reset()
	s.hs.Reset()
	ends, chainEnds := s.alpnEnds[:0], s.chainEnds[:0]
	*s = side{left: -1, cert: s.cert, hs: s.hs, alpnEnds: ends, chainEnds: chainEnds,
		sessionID: small(s.sessionID, 64), sni: small(s.sni, 256), ja3: small(s.ja3, 2048), alpn: small(s.alpn, 256),
		chain: small(s.chain, 1<<13), message: small(s.message, 1<<13)}
}

// fresh makes a used transaction ready for another session.
func (t *Tx) fresh() {
	t.side[0].reset()
	t.side[1].reset()
	*t = Tx{Tx: app.Tx{ID: 1, Files: t.Files, Bits: t.Bits[:0]}, side: t.side, curves: small(t.curves, 512),
		points: small(t.points, 64), config: t.config}
}

// KeepCertificates asks for the certificates of side d to be stored.
func (t *Tx) KeepCertificates(d app.Dir) { t.keep[d] = true }

// TakeCertificates reports whether the certificates of side d are there and to be stored, and says so once.
func (t *Tx) TakeCertificates(d app.Dir) bool {
	if s := &t.side[d]; !t.keep[d] || len(s.chainEnds) == 0 || !s.hasCert {
		return false
	}
	t.keep[d] = false
	return true
}

// Holder describes the first certificate of side d: subject, issuer and SHA-1 with colons.
func (t *Tx) Holder(d app.Dir) (subject, issuer, print []byte) {
	s := &t.side[d]
	return s.cert.Subject(), s.cert.Issuer(), s.print[:]
}

// Certificates returns the number of certificates that side d sent.
func (t *Tx) Certificates(d app.Dir) int { return len(t.side[d].chainEnds) }

// Certificate returns a certificate in DER.
func (t *Tx) Certificate(d app.Dir, i int) ([]byte, bool) {
	s := &t.side[d]
	if i >= len(s.chainEnds) {
		return nil, false
	}
	from := 0
	if i > 0 {
		from = s.chainEnds[i-1]
	}
	to := s.chainEnds[i]
	return s.chain[from:to:to], true
}

// JA4 returns the fingerprint of the client's hello, or nil. It is computed when first asked for.
func (t *Tx) JA4() []byte {
	s := &t.side[toServer]
	if !s.helloSeen {
		return nil
	}
	if !t.hasJA4 {
		s.hs.ALPN, _ = s.alpnAt(0)
		s.hs.AppendJA4(t.ja4[:0])
		t.hasJA4 = true
	}
	return t.ja4[:]
}
