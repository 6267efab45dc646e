package detect

import (
	"strings"

	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// bufferKind is what a buffer's conditions look at.
type bufferKind uint8

const (
	bufBytes  bufferKind = iota // sticky buffer of transactions
	bufNumber                   // integer keyword
	bufTest                     // keyword with a syntax of its own
	bufPacket                   // sticky buffer of the packet
	bufFiles                    // conditions on files
	bufEvents                   // app-layer-event
	bufFrame                    // frames of the stream or the datagram
	bufState                    // app-layer-state
)

// bufferDef is a buffer by its name, with all the protocols that offer it.
type bufferDef struct {
	name     string
	kind     bufferKind
	id       int // order of registration: it decides nothing but is stable
	priority int // of the default fast pattern: lower is better (payload is 3)
	sources  []*source
	packet   func(c *Ctx) []byte
	packets  func(c *Ctx, i int) ([]byte, bool) // instead of packet, where a packet has several
	apps     appSet                             // of the protocols that offer it; empty = any
	multi    bool                               // each use is a condition of its own
	noFast   bool
	frames   []frameSource // of bufFrame
}

// source is a buffer of one protocol and direction.
type source struct {
	proto  flow.ProtoID
	at     app.Point
	buffer *app.Buffer
	number *app.Number
	match  *app.Match
	files  func(f *file.File) []byte // bytes of each file, such as its name
	bodies bool                      // the bodies of the transaction's files
}

// buffers finds buffers and the keywords that are made of protocols' descriptors.
type buffers struct {
	byName map[string]*bufferDef // buffers by their own name
	words  map[string]*word      // keywords, lower case
	list   []*bufferDef
}

// word is a keyword that a protocol's descriptor defines.
type word struct {
	def      *bufferDef
	modifier bool // changes the last content instead of selecting a buffer
}

func newBuffers(reg *app.Registry, magic bool) *buffers {
	b := &buffers{byName: map[string]*bufferDef{}, words: map[string]*word{}}
	for id := flow.ProtoID(flow.ProtoFirst); int(id) < reg.Len(); id++ {
		p := reg.ByID(id)
		if p == nil {
			continue
		}
		for i := range p.Buffers {
			x := &p.Buffers[i]
			d := b.add(x.Name, bufBytes)
			if x.Kind == app.Multiple {
				d.multi = true
			}
			d.source(id, x.At).buffer = x
			b.words[strings.ToLower(x.Name)] = &word{def: d}
			if x.Alias != "" {
				b.words[strings.ToLower(x.Alias)] = &word{def: d}
			}
			if x.Legacy != "" {
				b.words[strings.ToLower(x.Legacy)] = &word{def: d, modifier: true}
			}
		}
		for i := range p.Numbers {
			x := &p.Numbers[i]
			d := b.add(x.Name, bufNumber)
			d.source(id, x.At).number = x
			b.words[strings.ToLower(x.Name)] = &word{def: d}
			if x.Alias != "" {
				b.words[strings.ToLower(x.Alias)] = &word{def: d}
			}
		}
		for i := range p.Matches {
			x := &p.Matches[i]
			d := b.add(x.Name, bufTest)
			d.source(id, x.At).match = x
			b.words[strings.ToLower(x.Name)] = &word{def: d}
			if x.Alias != "" {
				b.words[strings.ToLower(x.Alias)] = &word{def: d}
			}
		}
	}
	b.files(reg, magic)
	if w := b.words["http_server_body"]; w != nil {
		// The modifier means what file.data does, in both directions unless the rule names one; the sticky buffer is of responses only.
		w.def = b.byName["file.data"]
	}
	return b
}

// carriesFiles reports whether transactions of a protocol may have files in a direction.
func carriesFiles(p *app.Protocol, d app.Dir) bool {
	switch p.Name {
	case "http1", "http2", "ftp", "ftp-data", "smb", "nfs":
		return true
	case "smtp":
		return d == app.ToServer
	}
	_, ok := fileBuffer(p, d)
	return ok
}

func fileBuffer(p *app.Protocol, d app.Dir) (app.Point, bool) {
	for i := range p.Buffers {
		if x := &p.Buffers[i]; x.Name == "file.data" && x.At.Dir == d {
			return x.At, true
		}
	}
	return app.Point{}, false
}

// files adds the buffers that every protocol with files has.
func (b *buffers) files(reg *app.Registry, magic bool) {
	data := b.add("file.data", bufBytes)
	name := b.add("file.name", bufBytes)
	cond := b.add("files", bufFiles)
	kind := b.add("file.magic", bufBytes)
	data.multi, name.multi, kind.multi = true, true, true
	for id := flow.ProtoID(flow.ProtoFirst); int(id) < reg.Len(); id++ {
		p := reg.ByID(id)
		if p == nil {
			continue
		}
		for _, d := range [2]app.Dir{app.ToServer, app.ToClient} {
			if !carriesFiles(p, d) {
				continue
			}
			at := filePoint(p, d)
			if !data.offers(id, d) {
				data.source(id, at).bodies = true
			}
			if !name.offers(id, d) {
				name.source(id, at).files = func(f *file.File) []byte { return f.Name }
			}
			kind.source(id, at).files = func(f *file.File) []byte { return f.Identify() }
			cond.source(id, at)
		}
	}
	// Files are no reason to tie a rule to protocols: "alert tcp" with file.data looks at all of them.
	data.apps, name.apps, kind.apps, cond.apps = appSet{}, appSet{}, appSet{}, appSet{}
	cond.noFast = true
	b.words["file.data"] = &word{def: data}
	b.words["file_data"] = &word{def: data}
	b.words["file.name"] = &word{def: name}
	if magic {
		b.words["file.magic"] = &word{def: kind}
	}
}

// filePoint is where the files of a direction are looked at: where the protocol says file.data is, the body states of HTTP,
// the data state of SMTP, else any.
func filePoint(p *app.Protocol, d app.Dir) app.Point {
	if at, ok := fileBuffer(p, d); ok {
		return at
	}
	for i, s := range p.States[d] {
		if strings.HasSuffix(s, "_body") || s == "request_data" || s == "response_data" {
			return app.At(d, uint8(i))
		}
	}
	return app.At(d, 0)
}

func (b *buffers) add(name string, k bufferKind) *bufferDef {
	if d := b.byName[name]; d != nil {
		return d
	}
	d := &bufferDef{name: name, kind: k, id: len(b.list), priority: 2}
	switch name {
	case "http.method", "http.stat_code": // few values: even payload is better
		d.priority = 4
	case "http.stat_msg":
		d.priority = 3
	}
	b.byName[name] = d
	b.list = append(b.list, d)
	return d
}

func (d *bufferDef) source(p flow.ProtoID, at app.Point) *source {
	at.Proto = p
	s := &source{proto: p, at: at}
	d.sources = append(d.sources, s)
	d.apps.add(p)
	return s
}

func (d *bufferDef) offers(p flow.ProtoID, dir app.Dir) bool {
	for _, s := range d.sources {
		if s.proto == p && s.at.Dir == dir {
			return true
		}
	}
	return false
}

// dirs says in which directions the buffer is there for one of the protocols (empty = any).
func (d *bufferDef) dirs(apps appSet) (ts, tc bool) {
	for _, s := range d.sources {
		if !apps.empty() && !apps.has(s.proto) {
			continue
		}
		ts = ts || s.at.Dir == app.ToServer
		tc = tc || s.at.Dir == app.ToClient
	}
	return ts, tc
}
