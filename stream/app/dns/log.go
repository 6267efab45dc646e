package dns

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"

	"sentinel/internal/conf"
	"sentinel/internal/cursor"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
)

// The bits of LogOptions.Flags. Bit i below them stands for rrtypes[i].
const (
	logGrouped  = 1 << 59
	logDetailed = 1 << 60
	logRequest  = 1 << 61
	logResponse = 1 << 62
	logV2       = app.LogAsFlow // version 2 has the client first
	logAll      = logV2 - 1     // every type and format
	logTypes    = logGrouped - 1
)

// prepareLog reads the options of the dns event type: version, requests, responses, types, formats. The environment may name
// the version where the configuration does not.
func prepareLog(n *conf.Node, warn func(string, ...any)) uint64 {
	flags := uint64(logAll)
	if !n.Child("requests").Bool(true) {
		flags &^= logRequest
	}
	if !n.Child("responses").Bool(true) {
		flags &^= logResponse
	}
	if types := n.Child("types"); types.Exists() {
		flags &^= logTypes
		for _, s := range types.Strings() {
			for i, r := range rrtypes {
				if strings.EqualFold(r.name, s) {
					flags |= 1 << i
				}
			}
		}
	}
	if f := n.Child("formats"); f.Exists() && flags&logResponse != 0 {
		var got uint64
		for _, s := range f.Strings() {
			switch strings.ToLower(s) {
			case "detailed":
				got |= logDetailed
			case "grouped":
				got |= logGrouped
			default:
				warn("dns: unknown format %q", s)
			}
		}
		if got != 0 {
			flags = flags&^(logDetailed|logGrouped) | got
		} else {
			warn("dns: no format given, using the defaults")
		}
	}
	version := int64(3)
	if v, err := strconv.ParseUint(os.Getenv("SURICATA_EVE_DNS_VERSION"), 10, 8); err == nil {
		version = int64(v)
	}
	switch v, err := n.Child("version").Int(version); {
	case err != nil, v < 1, v > 3:
		warn("dns: unknown version, using 3")
	case v == 2:
		flags |= logV2
	}
	return flags
}

// wants reports whether records of this type are logged. Types without a name are, as long as nothing is filtered.
func wants(flags uint64, typ uint16) bool {
	if flags&logAll == logAll {
		return true
	}
	return int(typ) < len(typeIndex) && typeIndex[typ] >= 0 && flags>>uint(typeIndex[typ])&1 != 0
}

func (m *Message) wanted(flags uint64) bool {
	for i := range m.Queries {
		if wants(flags, m.Queries[i].Type) {
			return true
		}
	}
	return false
}

func logTx(tx app.Transaction, w *jsonw.Builder, o *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	flags := o.Flags
	switch {
	case o.Alert:
		flags = logAll &^ logGrouped
		t.logV3(w, flags)
		return true
	case flags == 0:
		flags = logAll
	}
	if t.Response && flags&logResponse == 0 || !t.Response && flags&logRequest == 0 {
		return false
	}
	if flags&logV2 != 0 {
		if t.Response {
			if !t.Msg.wanted(flags) {
				return false
			}
			t.logAnswerV2(w, flags)
			return true
		}
		return t.logQueryV2(w, flags, o)
	}
	if !t.Msg.wanted(flags) {
		return false
	}
	t.logV3(w, flags)
	return true
}

func writeType(w *jsonw.Builder, typ uint16) {
	if s := typeName(typ); s != "" {
		w.String("rrtype", s)
		return
	}
	var buf [5]byte
	w.Str("rrtype", strconv.AppendUint(buf[:0], uint64(typ), 10))
}

func writeRcode(w *jsonw.Builder, h *Header) {
	if s := rcodeName(h.Rcode()); s != "" {
		w.String("rcode", s)
		return
	}
	var buf [2]byte
	w.Str("rcode", strconv.AppendUint(buf[:0], uint64(h.Rcode()), 10))
}

func writeHeader(w *jsonw.Builder, h *Header) {
	var buf [4]byte
	w.Str("flags", strconv.AppendUint(buf[:0], uint64(h.Flags), 16))
	if h.QR() {
		w.Bool("qr", true)
	}
	if h.Flags&0x400 != 0 {
		w.Bool("aa", true)
	}
	if h.Flags&0x200 != 0 {
		w.Bool("tc", true)
	}
	if h.Flags&0x100 != 0 {
		w.Bool("rd", true)
	}
	if h.Flags&0x80 != 0 {
		w.Bool("ra", true)
	}
	if h.Flags&0x40 != 0 {
		w.Bool("z", true)
	}
	w.Uint("opcode", uint64(h.Opcode()))
}

// logV3 writes the transaction in version 3 of the format.
func (t *Tx) logV3(w *jsonw.Builder, flags uint64) {
	m := &t.Msg
	w.Uint("version", 3)
	if t.Response {
		w.String("type", "response")
	} else {
		w.String("type", "request")
	}
	w.Uint("tx_id", t.ID-1)
	w.Uint("id", uint64(m.Header.ID))
	writeHeader(w, &m.Header)
	writeRcode(w, &m.Header)
	if len(m.Queries) > 0 {
		w.OpenArray("queries")
		for i := range m.Queries {
			q := &m.Queries[i]
			if !wants(flags, q.Type) {
				continue
			}
			w.StartObject()
			w.Str("rrname", m.Bytes(q.Name))
			writeType(w, q.Type)
			if q.Name.Flags&Cut != 0 {
				w.Bool("rrname_truncated", true)
			}
			w.Close()
		}
		w.Close()
	}
	m.logSections(w, flags)
}

func (m *Message) logSections(w *jsonw.Builder, flags uint64) {
	if len(m.Answers) > 0 {
		if flags&logDetailed != 0 {
			m.logRecords(w, "answers", m.Answers)
		}
		if flags&logGrouped != 0 {
			m.logGrouped(w)
		}
	}
	if len(m.Authorities) > 0 {
		m.logRecords(w, "authorities", m.Authorities)
	}
	for i := range m.Additionals {
		if r := &m.Additionals[i]; r.Kind == KindOPT && r.data.n == 0 {
			continue
		}
		m.logRecords(w, "additionals", m.Additionals)
		break
	}
}

// logRecords writes a section. A TXT record is written once for each of its strings.
func (m *Message) logRecords(w *jsonw.Builder, key string, rs []Record) {
	w.OpenArray(key)
	for i := range rs {
		r := &rs[i]
		switch {
		case r.Kind == KindTXT:
			c := cursor.Cursor(m.Data(r))
			var s cursor.Cursor
			for c.Vec8(&s) {
				m.logRecord(w, r, s)
			}
		case r.Kind == KindOPT && r.data.n == 0 && key == "additionals":
		default:
			m.logRecord(w, r, nil)
		}
	}
	w.Close()
}

func (m *Message) logRecord(w *jsonw.Builder, r *Record, txt []byte) {
	w.StartObject()
	w.Str("rrname", m.Bytes(r.Name))
	if r.Name.Flags&Cut != 0 {
		w.Bool("rrname_truncated", true)
	}
	writeType(w, r.Type)
	w.Uint("ttl", uint64(r.TTL))
	data := m.Data(r)
	switch r.Kind {
	case KindAddr:
		var buf [64]byte
		w.Str("rdata", jsonw.AppendIP(buf[:0], data, false))
	case KindName:
		w.Str("rdata", m.Bytes(r.Target))
		if r.Target.Flags&Cut != 0 {
			w.Bool("rdata_truncated", true)
		}
	case KindTXT:
		w.Str("rdata", txt)
	case KindNull:
		w.Str("rdata", data)
	case KindSOA:
		w.OpenObject("soa")
		m.logSOA(w, r)
		w.Close()
	case KindSSHFP:
		w.OpenObject("sshfp")
		logSSHFP(w, data)
		w.Close()
	case KindSRV:
		w.OpenObject("srv")
		m.logSRV(w, r)
		w.Close()
	case KindOPT:
		w.OpenArray("opt")
		c := cursor.Cursor(data)
		var code uint16
		var v cursor.Cursor
		for c.U16(&code) && c.Vec16(&v) {
			w.StartObject()
			w.Uint("code", uint64(code))
			w.Hex("data", v)
			w.Close()
		}
		w.Close()
	}
	w.Close()
}

func (m *Message) logSOA(w *jsonw.Builder, r *Record) {
	w.Str("mname", m.Bytes(r.Target))
	if r.Target.Flags&Cut != 0 {
		w.Bool("mname_truncated", true)
	}
	w.Str("rname", m.Bytes(r.Mailbox))
	if r.Mailbox.Flags&Cut != 0 {
		w.Bool("rname_truncated", true)
	}
	d := m.Data(r)
	w.Uint("serial", uint64(binary.BigEndian.Uint32(d)))
	w.Uint("refresh", uint64(binary.BigEndian.Uint32(d[4:])))
	w.Uint("retry", uint64(binary.BigEndian.Uint32(d[8:])))
	w.Uint("expire", uint64(binary.BigEndian.Uint32(d[12:])))
	w.Uint("minimum", uint64(binary.BigEndian.Uint32(d[16:])))
}

func (m *Message) logSRV(w *jsonw.Builder, r *Record) {
	d := m.Data(r)
	w.Uint("priority", uint64(binary.BigEndian.Uint16(d)))
	w.Uint("weight", uint64(binary.BigEndian.Uint16(d[2:])))
	w.Uint("port", uint64(binary.BigEndian.Uint16(d[4:])))
	w.Str("name", m.Bytes(r.Target))
}

func logSSHFP(w *jsonw.Builder, d []byte) {
	w.HexColon("fingerprint", d[2:])
	w.Uint("algo", uint64(d[0]))
	w.Uint("type", uint64(d[1]))
}

// groupable are the types of which answers are grouped: the others have no data in the log.
var groupable = [...]uint16{typeA, typeAAAA, typeCNAME, typeMX, typeNS, typePTR, typeTXT, typeNULL, typeSOA, typeSSHFP, typeSRV}

// logGrouped writes the answers' data in one list a type.
func (m *Message) logGrouped(w *jsonw.Builder) {
	w.OpenObject("grouped")
	for _, typ := range groupable {
		open := false
		for i := range m.Answers {
			r := &m.Answers[i]
			if r.Type != typ {
				continue
			}
			if !open {
				w.OpenArray(typeName(typ))
				open = true
			}
			m.logGroupedData(w, r)
		}
		if open {
			w.Close()
		}
	}
	w.Close()
}

func (m *Message) logGroupedData(w *jsonw.Builder, r *Record) {
	data := m.Data(r)
	switch r.Kind {
	case KindAddr:
		var buf [64]byte
		w.ElemStr(jsonw.AppendIP(buf[:0], data, false))
	case KindName:
		w.ElemStr(m.Bytes(r.Target))
	case KindTXT:
		c := cursor.Cursor(data)
		var s cursor.Cursor
		for c.Vec8(&s) {
			w.ElemStr(s)
		}
	case KindNull:
		w.ElemStr(data)
	case KindSOA:
		w.StartObject()
		m.logSOA(w, r)
		w.Close()
	case KindSSHFP:
		w.StartObject()
		logSSHFP(w, data)
		w.Close()
	case KindSRV:
		w.StartObject()
		m.logSRV(w, r)
		w.Close()
	}
}

// logQueryV2 writes query number o.Part in version 2 of the format, in which each query is an event of its own.
func (t *Tx) logQueryV2(w *jsonw.Builder, flags uint64, o *app.LogOptions) bool {
	m := &t.Msg
	if o.Part >= len(m.Queries) || !wants(flags, m.Queries[o.Part].Type) {
		return false
	}
	q := &m.Queries[o.Part]
	w.Uint("version", 2)
	w.String("type", "query")
	w.Uint("id", uint64(m.Header.ID))
	w.Str("rrname", m.Bytes(q.Name))
	if q.Name.Flags&Cut != 0 {
		w.Bool("rrname_truncated", true)
	}
	writeType(w, q.Type)
	w.Uint("tx_id", t.ID-1)
	if m.Header.Flags&0x40 != 0 {
		w.Bool("z", true)
	}
	w.Uint("opcode", uint64(m.Header.Opcode()))
	o.More = o.Part+1 < len(m.Queries)
	return true
}

// logAnswerV2 writes a response in version 2 of the format.
func (t *Tx) logAnswerV2(w *jsonw.Builder, flags uint64) {
	m := &t.Msg
	w.Uint("version", 2)
	w.String("type", "answer")
	w.Uint("id", uint64(m.Header.ID))
	writeHeader(w, &m.Header)
	if len(m.Queries) > 0 {
		q := &m.Queries[0]
		w.Str("rrname", m.Bytes(q.Name))
		if q.Name.Flags&Cut != 0 {
			w.Bool("rrname_truncated", true)
		}
		writeType(w, q.Type)
	}
	writeRcode(w, &m.Header)
	m.logSections(w, flags)
}
