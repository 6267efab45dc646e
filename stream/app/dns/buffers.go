package dns

import (
	"strings"

	"sentinel/stream/app"
)

// walk is where an enumeration of all names of a message has come to: asking for the next one does not start over.
type walk struct {
	next    int // index of the name that follows
	section uint8
	target  bool // the name in the record's data is due
	record  int
}

// in reports whether the transaction has a message in direction d.
func (t *Tx) in(d app.Dir) bool { return t.Response == (d == app.ToClient) }

// nth returns a name, which ends an enumeration if it is empty, as the root's is.
func (t *Tx) nth(n Name) ([]byte, bool) {
	b := t.Msg.Bytes(n)
	return b, len(b) > 0
}

func queryName(t *Tx, d app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
	if !t.in(d) || i >= len(t.Msg.Queries) {
		return nil, false
	}
	return t.nth(t.Msg.Queries[i].Name)
}

func answerName(t *Tx, d app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
	if !t.in(d) || i >= len(t.Msg.Answers) {
		return nil, false
	}
	return t.nth(t.Msg.Answers[i].Name)
}

func authorityName(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
	if !t.Response || i >= len(t.Msg.Authorities) {
		return nil, false
	}
	return t.nth(t.Msg.Authorities[i].Name)
}

func additionalName(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
	if !t.Response || i >= len(t.Msg.Additionals) {
		return nil, false
	}
	return t.nth(t.Msg.Additionals[i].Name)
}

// section returns the records of a response's section, from 1.
func (m *Message) section(i uint8) []Record {
	switch i {
	case 1:
		return m.Answers
	case 2:
		return m.Authorities
	}
	return m.Additionals
}

// responseName enumerates the names of all sections of a response, those in record data too.
func responseName(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
	if !t.Response {
		return nil, false
	}
	if t.walk.next > i {
		t.walk = walk{}
	}
	for t.walk.section < 4 {
		b := t.step()
		if len(b) == 0 {
			continue
		}
		if t.walk.next++; t.walk.next > i {
			return b, true
		}
	}
	return nil, false
}

// step moves the walk by one place and returns the name there, which may be empty. An empty owner ends its section.
func (t *Tx) step() []byte {
	w, m := &t.walk, &t.Msg
	if w.section == 0 {
		if w.record < len(m.Queries) {
			if b := m.Bytes(m.Queries[w.record].Name); len(b) > 0 {
				w.record++
				return b
			}
		}
		w.section, w.record = 1, 0
		return nil
	}
	rs := m.section(w.section)
	if w.target {
		r := &rs[w.record]
		w.target = false
		w.record++
		if r.Kind == KindName || r.Kind == KindSOA {
			return m.Bytes(r.Target)
		}
		return nil
	}
	if w.record < len(rs) {
		if b := m.Bytes(rs[w.record].Name); len(b) > 0 {
			w.target = true
			return b
		}
	}
	w.section++
	w.record = 0
	return nil
}

func buffers() []app.Buffer {
	both := func(name, doc string, get func(*Tx, app.Dir, int, *app.Scratch) ([]byte, bool)) []app.Buffer {
		return []app.Buffer{
			app.Multi(name, doc, app.At(app.ToServer, done), get),
			app.Multi(name, doc, app.At(app.ToClient, done), get),
		}
	}
	query := app.Multi("dns.query", "names that a request asks for", app.At(app.ToServer, done), queryName)
	query.Alias = "dns_query"
	bs := []app.Buffer{query}
	bs = append(bs, both("dns.query.name", "names of the question section", queryName)...)
	bs = append(bs, both("dns.queries.rrname", "names of the question section", queryName)...)
	bs = append(bs, both("dns.answer.name", "names of the answer section", answerName)...)
	bs = append(bs, both("dns.answers.rrname", "names of the answer section", answerName)...)
	bs = append(bs, both("dns.authorities.rrname", "names of the authority section", authorityName)...)
	bs = append(bs, both("dns.additionals.rrname", "names of the additional section", additionalName)...)
	return append(bs, app.Multi("dns.response.rrname", "all names of a response, in record data too", app.At(app.ToClient, done),
		responseName))
}

func opcode(t *Tx, d app.Dir) (uint64, bool) { return uint64(t.Msg.Header.Opcode()), t.in(d) }

func rcode(t *Tx, d app.Dir) (uint64, bool) { return uint64(t.Msg.Header.Rcode()), t.in(d) }

// rrtype enumerates the types asked for by a request, and answered with by a response.
func rrtype(tx app.Transaction, d app.Dir, i int) (uint64, bool) {
	t, ok := tx.(*Tx)
	if !ok || !t.in(d) {
		return 0, false
	}
	if d == app.ToServer {
		if i < len(t.Msg.Queries) {
			return uint64(t.Msg.Queries[i].Type), true
		}
		return 0, false
	}
	if i < len(t.Msg.Answers) {
		return uint64(t.Msg.Answers[i].Type), true
	}
	return 0, false
}

func numbers() []app.Number {
	types, codes := map[string]uint64{}, map[string]uint64{}
	for _, r := range rrtypes {
		types[strings.ToLower(r.name)] = uint64(r.num)
	}
	for _, r := range rcodes {
		codes[strings.ToLower(r.name)] = uint64(r.num)
	}
	var ns []app.Number
	for _, d := range []app.Dir{app.ToServer, app.ToClient} {
		at := app.At(d, done)
		ns = append(ns,
			app.Num("dns.opcode", "kind of query", at, 8, nil, opcode),
			app.Num("dns.rcode", "response code", at, 16, codes, rcode),
			app.Number{Name: "dns.rrtype", Doc: "record type", At: at, Bits: 16, Names: types, List: true, Get: rrtype})
	}
	return ns
}
