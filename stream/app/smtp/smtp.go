package smtp

import (
	"bytes"
	"strings"

	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/app/internal/mime"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// Events, by index into the descriptor's list.
const (
	evInvalidReply uint8 = iota
	evUnmatchedReply
	evLongCommand
	evLongReply
	evPipelining
	evChunkLength
	evInvalidBDAT
	evNoWelcome
	evTLSRejected
	evDataRejected
	evFailedChange
	evMIMEFailed
	evInvalidBase64
	evInvalidQuoted
	evLongLine
	evLongEncodedLine
	evLongHeaderName
	evLongHeaderValue
	evLongBoundary
	evLongFileName
	evDuplicate
	evUnparsable
	evTruncated
)

// The progress of either side.
const (
	started = iota
	data
	complete
)

// The frames, by index into the descriptor's list.
const (
	frameCommand uint8 = iota
	frameData
	frameResponse
)

// Protocol describes SMTP.
func Protocol() *app.Protocol {
	return &app.Protocol{
		Name:      "smtp",
		Transport: app.TCP,
		Patterns: []app.Pattern{
			{Transport: app.TCP, Dir: app.ToServer, Data: "EHLO", Depth: 4, Nocase: true},
			{Transport: app.TCP, Dir: app.ToServer, Data: "HELO", Depth: 4, Nocase: true},
			{Transport: app.TCP, Dir: app.ToServer, Data: "QUIT", Depth: 4, Nocase: true, Confirm: notFTP},
		},
		Ports: []app.Probe{{Transport: app.TCP, Ports: "25,465", Dir: app.ToClient, Min: 5, Max: 5, Func: probeServer}},
		Setup: setup,
		States: [2][]string{
			{"request_started", "request_data", "request_complete"},
			{"response_started", "response_data", "response_complete"},
		},
		Events: []string{
			evInvalidReply: "INVALID_REPLY", evUnmatchedReply: "UNABLE_TO_MATCH_REPLY_WITH_REQUEST",
			evLongCommand: "MAX_COMMAND_LINE_LEN_EXCEEDED", evLongReply: "MAX_REPLY_LINE_LEN_EXCEEDED",
			evPipelining: "INVALID_PIPELINED_SEQUENCE", evChunkLength: "BDAT_CHUNK_LEN_EXCEEDED",
			evInvalidBDAT: "INVALID_BDAT", evNoWelcome: "NO_SERVER_WELCOME_MESSAGE", evTLSRejected: "TLS_REJECTED",
			evDataRejected: "DATA_COMMAND_REJECTED", evFailedChange: "FAILED_PROTOCOL_CHANGE",
			evMIMEFailed: "MIME_PARSE_FAILED", evInvalidBase64: "MIME_INVALID_BASE64", evInvalidQuoted: "MIME_INVALID_QP",
			evLongLine: "MIME_LONG_LINE", evLongEncodedLine: "MIME_LONG_ENC_LINE", evLongHeaderName: "MIME_LONG_HEADER_NAME",
			evLongHeaderValue: "MIME_LONG_HEADER_VALUE", evLongBoundary: "MIME_LONG_BOUNDARY",
			evLongFileName: "MIME_LONG_FILENAME", evDuplicate: "DUPLICATE_FIELDS", evUnparsable: "UNPARSABLE_CONTENT",
			evTruncated: "TRUNCATED_LINE",
		},
		Frames:     []string{frameCommand: "command_line", frameData: "data", frameResponse: "response_line"},
		Buffers:    buffers(),
		Log:        logTx,
		Beside:     logMail,
		PrepareLog: prepareLog,
	}
}

// notFTP leaves QUIT on the port of FTP to FTP.
func notFTP(_ []byte, d app.Dir, f *flow.Flow) (app.Verdict, app.Dir) {
	if f != nil && f.DstPort == 21 {
		return app.No, d
	}
	return app.Yes, d
}

// probeServer recognises a greeting. Other protocols greet with 220, too: unless the client's side is known, it must name a domain.
func probeServer(b []byte, d app.Dir, f *flow.Flow) (app.Verdict, app.Dir) {
	switch {
	case len(b) < 5:
		return app.Unsure, d
	case string(b[:3]) != "220" || b[3] != ' ' && b[3] != '-':
		return app.No, d
	}
	var client flow.ProtoID
	var sent uint64
	if f != nil {
		client, sent = f.AppDir[app.ToServer], f.Bytes[app.ToServer]
	}
	if client < flow.ProtoFirst {
		if !domain(b[4:]) {
			return app.No, d
		}
		if client != flow.ProtoUnknown || sent == 0 {
			return app.Unsure, d
		}
	}
	if bytes.IndexByte(b[4:], '\n') < 0 {
		return app.Unsure, d
	}
	return app.Yes, d
}

// domain reports whether b begins with a domain of at least two labels.
func domain(b []byte) bool {
	for labels := 1; ; labels++ {
		n := 0
		for n < len(b) && (b[n] == '-' || '0' <= b[n] && b[n] <= '9' || b[n]|0x20 >= 'a' && b[n]|0x20 <= 'z') {
			n++
		}
		if n == 0 || b[0]|0x20 < 'a' || b[n-1] == '-' {
			return false
		}
		if n == len(b) || b[n] != '.' {
			return labels > 1
		}
		b = b[n+1:]
	}
}

// config is the section of the protocol, shared by the parsers of a worker.
type config struct {
	mime   mime.Config
	decode bool
	raw    bool // whole mails are files
	maxTx  int
	limits file.Limits
	tls    app.ProtoID
}

const (
	defaultMaxTx   = 256
	defaultContent = 100000
	defaultMinSize = 32768
	defaultWindow  = 4096
)

func setup(s app.Settings) (func() app.Parser, error) {
	warn := s.Warn
	if warn == nil {
		warn = func(string, ...any) {}
	}
	c := &config{
		decode: true,
		maxTx:  defaultMaxTx,
		limits: file.Limits{Body: defaultContent, MinSize: defaultMinSize, Window: defaultWindow},
		mime:   mime.Config{DecodeBase64: true, DecodeQuoted: true, ExtractURLs: true},
	}
	if m := s.Section.Child("mime"); m.Exists() {
		c.decode = m.Child("decode-mime").Bool(true)
		c.mime.DecodeBase64 = m.Child("decode-base64").Bool(true)
		c.mime.DecodeQuoted = m.Child("decode-quoted-printable").Bool(true)
		c.mime.ExtractURLs = m.Child("extract-urls").Bool(true)
		c.mime.LogScheme = m.Child("log-url-scheme").Bool(false)
		c.mime.Schemes = schemes(m.Child("extract-urls-schemes"))
		switch v := m.Child("body-md5"); {
		case v.IsTrue():
			c.mime.BodyMD5 = true
		case !v.IsFalse():
			c.mime.BodyMD5 = s.Wants != nil && s.Wants("email.body_md5")
		}
	}
	c.raw = s.Section.Child("raw-extraction").Bool(false)
	if c.raw && c.decode {
		warn("app-layer.protocols.smtp: decode-mime and raw-extraction exclude each other; raw extraction is off")
		c.raw = false
	}
	t := s.Section.Child("inspected-tracker")
	c.limits.Body = size(t.Child("content-limit"), defaultContent, warn)
	c.limits.MinSize = uint32(size(t.Child("content-inspect-min-size"), defaultMinSize, warn))
	c.limits.Window = uint32(size(t.Child("content-inspect-window"), defaultWindow, warn))
	c.maxTx = int(size(s.Section.Child("max-tx"), defaultMaxTx, warn))
	if s.ID != nil {
		c.tls = s.ID("tls")
	}
	p := &pool{config: c}
	return func() app.Parser { return &parser{config: c, pool: p} }, nil
}

func size(n *conf.Node, def uint64, warn func(string, ...any)) uint64 {
	v, err := n.SizeMax(def, 1<<32-1)
	if err != nil {
		warn("app-layer.protocols.smtp: %v", err)
		return def
	}
	return v
}

func schemes(n *conf.Node) []string {
	if !n.Exists() {
		return []string{"http://"}
	}
	var list []string
	for _, s := range n.Strings() {
		s = strings.ToLower(s)
		if !strings.HasSuffix(s, "/") {
			s += "://"
		}
		list = append(list, s)
	}
	return list
}
