package tls

import (
	"strings"

	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Events, by index into the descriptor's list.
const (
	evSSL2Header uint8 = iota
	evTLSHeader
	evRecordVersion
	evRecordType
	evRecordLength
	evHandshakeMessage
	evHeartbeat
	evInvalidHeartbeat
	evOverflowHeartbeat
	evHeartbeatLeak
	evHandshakeLength
	evMultipleSNI
	evSNIType
	evSNILength
	evTooManyRecords
	evAlert
	evCertificate
	evCertLength
	evCertVersion
	evCertSerial
	evCertAlgorithm
	evCertName
	evCertDate
	evCertExtensions
	evCertDER
	evCertSubject
	evCertIssuer
	evCertValidity
	evErrorMessage
	evRecord
)

// Protocol describes TLS.
func Protocol() *app.Protocol {
	server := app.ToServer
	return &app.Protocol{
		Name:      "tls",
		Aliases:   []string{"ssl"},
		Transport: app.TCP,
		Patterns:  patterns(),
		Ports:     []app.Probe{{Transport: app.TCP, Ports: "443", Dir: app.ToServer, Min: 3, Max: 3, Func: probe}},
		Setup:     setup,
		FirstData: &server,
		States: [2][]string{
			{"client_in_progress", "client_hello_done", "client_cert_done", "client_handshake_done", "client_finished"},
			{"server_in_progress", "server_hello", "server_cert_done", "server_hello_done", "server_handshake_done",
				"server_finished"},
		},
		Events: []string{
			evSSL2Header: "INVALID_SSLV2_HEADER", evTLSHeader: "INVALID_TLS_HEADER", evRecordVersion: "INVALID_RECORD_VERSION",
			evRecordType: "INVALID_RECORD_TYPE", evRecordLength: "INVALID_RECORD_LENGTH",
			evHandshakeMessage: "INVALID_HANDSHAKE_MESSAGE", evHeartbeat: "HEARTBEAT_MESSAGE",
			evInvalidHeartbeat: "INVALID_HEARTBEAT_MESSAGE", evOverflowHeartbeat: "OVERFLOW_HEARTBEAT_MESSAGE",
			evHeartbeatLeak: "DATALEAK_HEARTBEAT_MISMATCH", evHandshakeLength: "HANDSHAKE_INVALID_LENGTH",
			evMultipleSNI: "MULTIPLE_SNI_EXTENSIONS", evSNIType: "INVALID_SNI_TYPE", evSNILength: "INVALID_SNI_LENGTH",
			evTooManyRecords: "TOO_MANY_RECORDS_IN_PACKET", evAlert: "INVALID_ALERT_MESSAGE",
			evCertificate: "INVALID_CERTIFICATE", evCertLength: "CERTIFICATE_INVALID_LENGTH",
			evCertVersion: "CERTIFICATE_INVALID_VERSION", evCertSerial: "CERTIFICATE_INVALID_SERIAL",
			evCertAlgorithm: "CERTIFICATE_INVALID_ALGORITHMIDENTIFIER", evCertName: "CERTIFICATE_INVALID_X509NAME",
			evCertDate: "CERTIFICATE_INVALID_DATE", evCertExtensions: "CERTIFICATE_INVALID_EXTENSIONS",
			evCertDER: "CERTIFICATE_INVALID_DER", evCertSubject: "CERTIFICATE_INVALID_SUBJECT",
			evCertIssuer: "CERTIFICATE_INVALID_ISSUER", evCertValidity: "CERTIFICATE_INVALID_VALIDITY",
			evErrorMessage: "ERROR_MESSAGE_ENCOUNTERED", evRecord: "INVALID_SSL_RECORD",
		},
		Frames: []string{
			framePDU: "pdu", frameHeader: "hdr", frameData: "data", frameAlert: "alert", frameHeartbeat: "heartbeat",
			frameSSL2Header: "ssl2.hdr", frameSSL2PDU: "ssl2.pdu",
		},
		Buffers:    buffers(),
		Numbers:    numbers(),
		Matches:    matches(),
		Log:        logTx,
		LogAt:      [2]uint8{clientHandshakeDone, serverHandshakeDone},
		PrepareLog: prepareLog,
		Meta:       logMeta,
	}
}

// patterns are the beginnings of records and of SSL 2.0 hellos, for the versions up to TLS 1.2; later ones pose as it.
func patterns() []app.Pattern {
	ps := []app.Pattern{{Transport: app.TCP, Dir: app.ToServer, Data: "\x01\x00\x02", Offset: 2, Depth: 5, Confirm: probe}}
	for _, minor := range []string{"\x00", "\x01", "\x02", "\x03"} {
		for _, typ := range []string{"\x01", "\x16"} {
			ps = append(ps, app.Pattern{Transport: app.TCP, Dir: app.ToServer, Data: typ + "\x03" + minor, Depth: 3})
		}
		for _, typ := range []string{"\x15", "\x16", "\x17"} {
			ps = append(ps, app.Pattern{Transport: app.TCP, Dir: app.ToClient, Data: typ + "\x03" + minor, Depth: 3})
		}
	}
	return ps
}

// probe recognises an SSL 2.0 hello with a length of two bytes.
func probe(b []byte, d app.Dir, _ *flow.Flow) (app.Verdict, app.Dir) {
	switch {
	case len(b) < 3:
		return app.Unsure, d
	case b[0]&0x80 != 0 && b[2] == ssl2ClientHello:
		return app.Yes, d
	}
	return app.No, d
}

// config is the section of the protocol, shared by the parsers of a worker.
type config struct {
	mode  handling
	ja3   setting
	wants func(string) bool
	orig  map[app.ProtoID]string // names of the protocols that change to TLS
}

// setting is a switch that rules may turn on.
type setting uint8

const (
	auto setting = iota
	on
	off
)

func (c *config) wantsJA3() bool {
	return c.ja3 == on || c.ja3 == auto && c.wants != nil && c.wants("ja3")
}

func setup(s app.Settings) (func() app.Parser, error) {
	c := &config{wants: s.Wants, ja3: fingerprints(s.Section.Child("ja3-fingerprints")), orig: map[app.ProtoID]string{}}
	switch v := s.Section.Child("encryption-handling"); {
	case v.Exists():
		switch v.Str("") {
		case "full":
			c.mode = full
		case "bypass":
			c.mode = bypass
		case "default":
			s.Warn("app-layer.protocols.tls.encryption-handling: default is an old name of track-only")
		}
	case s.Section.Child("no-reassemble").IsTrue():
		c.mode = bypass
	}
	if s.ID != nil {
		for _, name := range []string{"http1", "smtp", "ftp", "imap", "pop3", "pgsql", "ldap", "socks5", "mqtt", "rfb", "telnet"} {
			if id := s.ID(name); id != flow.ProtoUnknown {
				c.orig[id] = strings.TrimSuffix(name, "1") // http
			}
		}
	}
	return func() app.Parser {
		p := &parser{config: c}
		p.tx.config = c
		p.Reset()
		return p
	}, nil
}

func fingerprints(n *conf.Node) setting {
	switch v, ok := n.Value(); {
	case !ok || v == "auto":
		return auto
	case conf.IsTrue(v):
		return on
	case conf.IsFalse(v):
		return off
	}
	return auto
}
