package analysis

import (
	"bytes"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
)

// rulesJSON is rules.json: a line a rule, in the order of evaluation.
func rulesJSON(list []detect.Description, c *detect.Config) []byte {
	deps := dependencies(list)
	var out []byte
	for i := range list {
		r := ruleWriter{d: &list[i], c: c}
		out = append(out, object(func(w *jsonw.Builder) { r.write(w, deps[i]) })...)
	}
	return out
}

// ruleWriter writes one rule. What is worth a hint gathers in notes.
type ruleWriter struct {
	d     *detect.Description
	c     *detect.Config
	notes []string
}

func (r *ruleWriter) note(text string) { r.notes = append(r.notes, text) }

func (r *ruleWriter) write(w *jsonw.Builder, dep *dependency) {
	d := r.d
	w.String("class", "threat detection")
	w.String("raw", d.Meta.Raw)
	w.Uint("id", uint64(d.Meta.SID))
	w.Uint("gid", uint64(d.Meta.GID))
	w.Uint("rev", uint64(d.Meta.Rev))
	if d.Meta.Msg != "" {
		w.String("msg", d.Meta.Msg)
	}
	w.String("app_proto", d.App)
	words(w, "requirements", d.Requirements)
	w.OpenObject("match_policy")
	words(w, "actions", d.Actions)
	w.String("scope", d.Scope)
	w.Close()
	w.String("type", d.Type.String())
	dep.write(w)
	words(w, "flags", d.Flags)
	w.OpenArray("pkt_engines")
	for i := range d.PacketEngines {
		e := &d.PacketEngines[i]
		w.StartObject()
		w.String("name", nameOf(e.Name))
		w.Bool("is_mpm", e.Fast)
		transforms(w, e.Transforms)
		r.matches(w, e.Conditions)
		w.Close()
	}
	w.Close()
	w.OpenArray("frame_engines")
	w.Close()
	if d.Stateful {
		r.engines(w)
	}
	w.OpenObject("lists")
	for _, l := range d.Lists {
		w.OpenObject(l.Name)
		r.matches(w, l.Conditions)
		w.Close()
	}
	w.Close()
	switch {
	case d.Fast != nil:
		w.OpenObject("mpm")
		w.String("buffer", nameOf(d.FastBuffer))
		content(w, d.Fast)
		w.Close()
	case d.PrefilterOn != "":
		w.OpenObject("prefilter")
		w.String("buffer", "packet")
		w.String("name", d.PrefilterOn)
		w.Close()
	}
	if len(r.notes) > 0 {
		words(w, "notes", r.notes)
	}
}

func transforms(w *jsonw.Builder, list []string) {
	if len(list) == 0 {
		return
	}
	w.OpenArray("transforms")
	for _, name := range list {
		w.StartObject()
		w.String("name", name)
		w.Close()
	}
	w.Close()
}

// engines writes where the rule looks in transactions.
func (r *ruleWriter) engines(w *jsonw.Builder) {
	stream, body, file := false, false, false
	w.OpenArray("engines")
	for i := range r.d.Engines {
		e := &r.d.Engines[i]
		name := nameOf(e.Name)
		stream = stream || name == "stream" && !e.Fast
		body = body || e.Fast && name == "http_client_body"
		file = file || e.Fast && name == "file_data"
		w.StartObject()
		w.String("name", name)
		dir := "toserver"
		if e.Dir == app.ToClient {
			dir = "toclient"
		}
		w.String("direction", dir)
		w.Bool("is_mpm", e.Fast)
		w.String("app_proto", e.App)
		w.Uint("progress", uint64(e.Progress))
		if e.Type != "" {
			w.String("sub_state", e.Type)
		}
		transforms(w, e.Transforms)
		r.matches(w, e.Conditions)
		w.Close()
	}
	w.Close()
	if stream && body {
		r.note("mpm in http_client_body combined with stream match leads to stream buffering")
	}
	if stream && file {
		r.note("mpm in file_data combined with stream match leads to stream buffering")
	}
}

// matches writes conditions.
func (r *ruleWriter) matches(w *jsonw.Builder, list []detect.Condition) {
	if len(list) == 0 {
		return
	}
	w.OpenArray("matches")
	for i := range list {
		c := &list[i]
		w.StartObject()
		w.String("name", c.Name)
		switch {
		case c.Absent:
			w.OpenObject("absent")
			w.Bool("or_else", c.OrElse)
			w.Close()
		case c.Content != nil:
			w.OpenObject("content")
			content(w, c)
			w.Close()
			r.hints(c)
		case c.Elem != nil:
			r.elem(w, c)
		case c.Match != nil:
			if x, ok := c.Match.(detect.Describer); ok {
				x.Describe(w, r.c)
			}
		}
		w.Close()
	}
	w.Close()
}

// content writes the members of a content.
func content(w *jsonw.Builder, c *detect.Condition) {
	k := c.Content
	w.String("pattern", ruleForm(k.Pattern()))
	w.Uint("length", uint64(len(k.Data)))
	w.Bool("nocase", k.Nocase)
	w.Bool("negated", k.Negated)
	w.Bool("starts_with", k.StartsWith)
	w.Bool("ends_with", k.EndsWith)
	w.Bool("is_mpm", c.Fast)
	w.Bool("no_double_inspect", c.Single)
	if k.HasOffset {
		w.Int("offset", k.Offset.N)
	}
	if n, ok := depthOf(k); ok {
		w.Int("depth", n)
	}
	if k.HasDistance {
		w.Int("distance", k.Distance.N)
	}
	if k.HasWithin {
		w.Int("within", k.Within.N)
	}
	w.Bool("fast_pattern", k.Fast)
	w.Bool("relative_next", c.RelativeNext)
}

// hints notes what the author of a content may want to know.
func (r *ruleWriter) hints(c *detect.Condition) {
	p := c.Content.Pattern()
	if c.Content.FastOnly {
		r.note("'fast_pattern:only' option is silently ignored and is interpreted as regular 'fast_pattern'")
	}
	for _, m := range [...]string{"GET /", "POST /", "HEAD /", "PUT /"} {
		if bytes.HasPrefix(p, []byte(m)) {
			r.note("pattern looks like it inspects HTTP, use http.request_line or http.method and http.uri instead for improved performance")
		}
	}
	if bytes.HasPrefix(bytes.TrimPrefix(p, []byte("\n")), []byte("User-Agent: ")) {
		r.note("pattern looks like it inspects HTTP, use http.user_agent or http.header for improved performance")
	}
	if c.WasWithin {
		r.note("'within' option for pattern w/o previous content was converted to 'depth'")
	}
	if c.WasDistance {
		r.note("'distance' option for pattern w/o previous content was converted to 'offset'")
	}
}

// flag is a word that is written when it holds.
type flag struct {
	on   bool
	word string
}

func flags(w *jsonw.Builder, list ...flag) {
	w.OpenArray("flags")
	for _, f := range list {
		if f.on {
			w.ElemString(f.word)
		}
	}
	w.Close()
}

// elem writes what else has a place in a buffer.
func (r *ruleWriter) elem(w *jsonw.Builder, c *detect.Condition) {
	switch x := c.Elem.(type) {
	case *chain.Pcre:
		expr, mods := c.Text, ""
		if i := strings.LastIndexByte(expr, '/'); i >= 0 {
			expr, mods = expr[:i], strings.Trim(expr[i:], "/\" ")
		}
		w.OpenObject("pcre")
		w.Bool("relative", x.Relative)
		w.Bool("relative_next", c.RelativeNext)
		w.Bool("nocase", strings.Contains(mods, "i"))
		w.Bool("negated", x.Negated)
		w.Close()
		if strings.Contains(mods, "B") {
			r.note("'/B' (rawbytes) option is a no-op and is silently ignored")
		}
		if strings.Contains(expr, `\X`) {
			r.note("pcre with \\X (Unicode extended grapheme cluster) may be slow")
		}
	case *chain.ByteJump:
		w.OpenObject("byte_jump")
		w.Int("nbytes", x.Bytes.N)
		w.Int("offset", x.Offset.N)
		w.Uint("multiplier", max(1, uint64(x.Multiplier)))
		w.Int("post_offset", int64(x.PostOffset))
		w.String("base", baseOf(x.Format))
		flags(w, flag{x.FromBegin, "from_beginning"}, flag{x.Little, "little_endian"}, flag{x.String, "string"},
			flag{x.Relative, "relative"}, flag{x.Align, "align"}, flag{x.DCE, "dce"}, flag{x.FromEnd, "from_end"})
		w.Close()
	case *chain.ByteTest:
		w.OpenObject("byte_test")
		w.Int("nbytes", x.Bytes.N)
		w.Int("offset", x.Offset.N)
		w.String("base", baseOf(x.Format))
		flags(w, flag{x.Little, "little_endian"}, flag{x.String, "string"}, flag{x.Relative, "relative"}, flag{x.DCE, "dce"})
		w.Close()
	}
}

func baseOf(f chain.Format) string {
	if f.String {
		switch f.Base {
		case 8:
			return "oct"
		case 10:
			return "dec"
		case 16:
			return "hex"
		}
	}
	return "unset"
}
