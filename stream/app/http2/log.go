package http2

import (
	"strconv"
	"unicode/utf8"

	"sentinel/internal/jsonw"
	"sentinel/stream/app"
)

// common are the fields that the record repeats in the form that HTTP/1 has.
type common struct{ method, path, status, agent, host, length []byte }

func (c *common) note(b *block) {
	v := b.value
	if v == nil {
		v = []byte{}
	}
	switch {
	case !utf8.Valid(b.name):
	case equalFold(b.name, ":method"):
		c.method = v
	case equalFold(b.name, ":path"):
		c.path = v
	case equalFold(b.name, ":status"):
		c.status = v
	case equalFold(b.name, "user-agent"):
		c.agent = v
	case equalFold(b.name, "host"):
		c.host = v
	case equalFold(b.name, "content-length"):
		c.length = v
	}
}

func logTx(tx app.Transaction, w *jsonw.Builder, _ *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	w.String("version", "2")
	var c common
	any := t.logHeaders(w, app.ToServer, "request_headers", &c)
	any = t.logHeaders(w, app.ToClient, "response_headers", &c) || any
	for _, f := range [...]struct {
		key string
		v   []byte
	}{{"http_method", c.method}, {"url", c.path}, {"hostname", c.host}, {"http_user_agent", c.agent}} {
		if f.v != nil {
			w.Str(f.key, f.v)
		}
	}
	for _, f := range [...]struct {
		key string
		v   []byte
	}{{"length", c.length}, {"status", c.status}} {
		if n, err := strconv.ParseUint(string(f.v), 10, 64); err == nil {
			w.Uint(f.key, n)
		}
	}
	w.OpenObject("http2")
	w.Uint("stream_id", uint64(t.stream))
	any = t.logFrames(w, app.ToServer, "request") || any
	any = t.logFrames(w, app.ToClient, "response") || any
	w.Close()
	return any
}

// logHeaders writes the fields of all header blocks of a direction. A field that repeats a table entry within one block is
// written once.
func (t *Tx) logHeaders(w *jsonw.Builder, d app.Dir, key string, c *common) bool {
	mark := w.Mark()
	w.OpenArray(key)
	some := false
	begin := w.Len()
	for i := range t.frames[d] {
		f := &t.frames[d][i]
		if f.marks&hasBlocks == 0 {
			continue
		}
		some = true
		for j := int(f.from); j < int(f.to) && j < len(t.blocks[d]) && w.Len()-begin < maxBuilt; j++ {
			b := &t.blocks[d][j]
			switch b.kind {
			case blockField:
				if t.repeated(d, int(f.from), j) {
					continue
				}
				w.StartObject()
				w.Str("name", b.name)
				w.Str("value", b.value)
				c.note(b)
			case blockSize:
				w.StartObject()
				w.Uint("table_size_update", b.size)
			default:
				w.StartObject()
				w.String("error", [...]string{
					blockBadIndex: "HTTP2HeaderDecodeNotIndexed", blockOverflow: "HTTP2HeaderDecodeIntegerOverflow",
					blockIndex0: "HTTP2HeaderDecodeIndex0"}[b.kind])
			}
			w.Close()
		}
	}
	if !some {
		w.Rollback(mark)
		return false
	}
	w.Close()
	return true
}

func (t *Tx) repeated(d app.Dir, from, i int) bool {
	id := t.blocks[d][i].id
	for j := max(from, i-lookBack); j < i; j++ {
		if t.blocks[d][j].id == id && t.blocks[d][j].kind == blockField {
			return true
		}
	}
	return false
}

func (t *Tx) logFrames(w *jsonw.Builder, d app.Dir, key string) bool {
	mark := w.Mark()
	w.OpenObject(key)
	some := len(t.settings[d]) > 0
	if some {
		w.OpenArray("settings")
		for _, s := range t.settings[d] {
			w.StartObject()
			w.String("settings_id", settingNames[s.id][1])
			w.Uint("settings_value", uint64(s.value))
			w.Close()
		}
		w.Close()
	}
	code, priority, multiple := false, false, false
	for i := range t.frames[d] {
		f := &t.frames[d][i]
		switch {
		case f.marks&hasCode != 0:
			if !code {
				code = true
				if int(f.value) < len(errorNames) {
					w.String("error_code", errorNames[f.value])
				} else {
					w.String("error_code", "unknown-"+strconv.FormatUint(uint64(f.value), 10))
				}
			} else if !multiple {
				multiple = true
				w.String("has_multiple", "error_code")
			}
		case f.marks&hasPriority != 0:
			if !priority {
				priority = true
				w.Uint("priority", uint64(f.weight))
			} else if !multiple {
				multiple = true
				w.String("has_multiple", "priority")
			}
		}
	}
	if !some && !code && !priority {
		w.Rollback(mark)
		return false
	}
	w.Close()
	return true
}
