package detect

import (
	"strconv"
	"strings"

	"sentinel/detect/chain"
	"sentinel/detect/transform"
	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Builder is a rule while its options are read. Keywords change it through its methods.
type Builder struct {
	// Negated says that a "!" stood before the value of a Negatable keyword.
	Negated bool

	c    *compiler
	rule *rules.Rule
	r    *compiled

	vars        chain.Vars // variables of byte_extract and byte_math
	payload     bufferUse
	uses        []*bufferUse // in order of first mention
	cur         *bufferUse   // the sticky buffer; nil = payload
	sticky      bool         // a sticky buffer, or pkt_data, was named
	pending     []transform.Transform
	pendKey     string
	base64      bool // base64_data was seen
	base64check *base64Check
	base64use   *bufferUse
	last        *item // last condition on bytes, in any buffer
	lastAt      *bufferUse
	count       int // items so far, in all buffers
	needs       Needs
	fastItem    *item

	sid              bool
	ipproto          bool
	forceTS, forceTC bool // the keyword under way is for one direction
	prefilter        bool // the prefilter keyword was used
	// What the prefilter keyword refers to: the last keyword with a condition, and whether that is a content.
	lastKeyword        string
	lastContentKeyword bool
	prioGiven          bool
	app                app.ProtoID // the single protocol of the header; ProtoUnknown = none or several
	packet             bool        // some packet condition was added
	keys               []string    // names of the keywords of matches, parallel to r.matches
	postKeys           []string
	ipOnlyOK           []bool
	deOnlyOK           []bool
	postIPOK           []bool
	pktHook            string
}

// bufferUse is one use of a buffer in a rule: what it is, and the conditions on it.
type bufferUse struct {
	def        *bufferDef // nil = payload
	transforms []transform.Transform
	key        string // of the transforms
	items      []*item
	uint       Uint
	test       func(tx app.Transaction, d app.Dir) bool
	testKey    string
	event      map[flow.ProtoID]uint8
	files      []FileMatch
	needs      FileNeeds
	absent     bool
	orElse     bool
	onlyTS     bool
	onlyTC     bool
	value      string // of an integer or test keyword
	negate     bool
}

func (u *bufferUse) empty() bool {
	return len(u.items) == 0 && !u.absent && len(u.files) == 0 && (u.def == nil || u.def.kind == bufBytes || u.def.kind == bufPacket)
}

// item is one condition on bytes, in order: a content, or something that only detect/chain understands.
type item struct {
	content *Content
	other   chain.Elem
	pcre    bool
	pos     int // number in the rule
}

// Rule is what the rule's author wrote.
func (b *Builder) Rule() *rules.Rule { return b.rule }

// Config is the configuration that rules are compiled with.
func (b *Builder) Config() *Config { return &b.c.cfg }

// Meta is what is known of the rule so far; keywords fill it.
func (b *Builder) Meta() *Meta { return &b.r.meta }

// App is the protocol in the rule's header if it is one application protocol.
func (b *Builder) App() app.ProtoID { return b.app }

// Match adds a condition on the packet or the flow.
func (b *Builder) Match(keyword string, m Match, n Needs) {
	b.needs |= n
	b.r.matches = append(b.r.matches, m)
	b.keys = append(b.keys, keyword)
	b.packet = true
	b.lastKeyword, b.lastContentKeyword = keyword, false
}

// Post adds something that is done when the rule has matched; what its Match returns is ignored.
func (b *Builder) Post(keyword string, m Match, n Needs) {
	b.needs |= n
	b.r.post = append(b.r.post, m)
	b.postKeys = append(b.postKeys, keyword)
}

// Need adds needs without a condition.
func (b *Builder) Need(n Needs) { b.needs |= n }

// Tag adds something that is done when the alert was let through by thresholds.
func (b *Builder) Tag(m Match) { b.r.tags = append(b.r.tags, m) }

// Threshold adds a threshold or detection_filter.
func (b *Builder) Threshold(t Threshold) { b.r.thresholds = append(b.r.thresholds, &t) }

// Content adds a content to the buffer that is selected.
func (b *Builder) Content(c *Content) error {
	u, err := b.Active()
	if err != nil {
		return err
	}
	if u.def != nil && !c.Negated {
		for _, t := range u.transforms {
			if t.Check != nil {
				if err := t.Check(c.Data); err != nil {
					return problem("content string \"" + string(c.Data) + "\" incompatible with " + t.Name + " transform")
				}
			}
		}
	}
	b.add(u, &item{content: c})
	return nil
}

// Elem adds a condition that detect/chain understands (pcre, byte_test and the like) to the buffer that is selected.
func (b *Builder) Elem(e chain.Elem) error {
	u, err := b.Active()
	if err != nil {
		return err
	}
	if err := b.checkElem(e, u); err != nil {
		return err
	}
	_, pcre := e.(*chain.Pcre)
	if b.cur == nil && b.lastAt != nil && isRelative(e) {
		// Without a sticky buffer a relative condition goes where the last match is, whatever modifier moved it there.
		u = b.lastAt
	}
	b.add(u, &item{other: e, pcre: pcre})
	return nil
}

// checkElem checks what a condition refers to: variables that are set before, and a match to be relative to.
func (b *Builder) checkElem(e chain.Elem, u *bufferUse) error {
	unknown := func(format string, anywhere bool, nums ...chain.Num) error {
		for _, n := range nums {
			if n.Var != "" && !b.SetsVar(n.Var, anywhere) {
				return problem(format + n.Var)
			}
		}
		return nil
	}
	payload := u == &b.payload
	switch x := e.(type) {
	case *chain.ByteTest:
		return unknown("Unknown byte_extract var seen in byte_test - ", payload, x.Value, x.Offset, x.Bytes)
	case *chain.ByteJump:
		return unknown("Unknown byte_extract var seen in byte_jump - ", payload, x.Bytes, x.Offset)
	case *chain.IsDataAt:
		return unknown("Unknown byte_extract var seen in isdataat - ", true, x.At)
	case *chain.ByteMath:
		if x.Relative && b.cur != nil && !b.matches() {
			return problem("relative specified without previous pattern match")
		}
		return unknown("unknown byte_ keyword var seen in byte_math - ", payload, x.Bytes, x.Value)
	}
	return nil
}

// SetsVar reports whether an option before sets a variable. Those that the payload sets are for the payload, unless payloadToo.
func (b *Builder) SetsVar(name string, payloadToo bool) bool {
	sets := func(items []*item) bool {
		for _, x := range items {
			switch e := x.other.(type) {
			case *chain.ByteExtract:
				if e.Name == name {
					return true
				}
			case *chain.ByteMath:
				if e.Name == name {
					return true
				}
			}
		}
		return false
	}
	if payloadToo && sets(b.payload.items) {
		return true
	}
	for _, u := range b.uses {
		if sets(u.items) {
			return true
		}
	}
	return b.base64use != nil && sets(b.base64use.items)
}

// matches reports whether the rule has a content or an expression so far.
func (b *Builder) matches() bool {
	has := func(items []*item) bool {
		for _, x := range items {
			if x.content != nil || x.pcre {
				return true
			}
		}
		return false
	}
	for _, u := range b.uses {
		if has(u.items) {
			return true
		}
	}
	return has(b.payload.items) || b.base64use != nil && has(b.base64use.items)
}

// isRelative reports whether a condition other than content and pcre depends on the last match.
func isRelative(e chain.Elem) bool {
	switch x := e.(type) {
	case *chain.ByteTest:
		return x.Relative
	case *chain.ByteJump:
		return x.Relative
	case *chain.ByteExtract:
		return x.Relative
	case *chain.ByteMath:
		return x.Relative
	case *chain.IsDataAt:
		return x.Relative
	case *chain.Check: // base64_decode
		return true
	}
	return false
}

func (b *Builder) add(u *bufferUse, x *item) {
	x.pos = b.count
	b.count++
	u.items = append(u.items, x)
	b.last, b.lastAt = x, u
	b.lastKeyword, b.lastContentKeyword = "content", x.content != nil
}

// Active is the buffer that conditions go to now. Transforms that wait are applied to it.
func (b *Builder) Active() (*bufferUse, error) {
	if len(b.pending) > 0 {
		if b.cur == nil || b.cur.def == nil {
			return nil, problem("previous transforms not consumed")
		}
		if !b.cur.empty() {
			n := &bufferUse{def: b.cur.def, onlyTS: b.cur.onlyTS, onlyTC: b.cur.onlyTC, transforms: b.cur.transforms, key: b.cur.key}
			b.uses = append(b.uses, n)
			b.cur = n
		}
		b.cur.transforms = append(b.cur.transforms[:len(b.cur.transforms):len(b.cur.transforms)], b.pending...)
		b.cur.key += b.pendKey
		b.pending, b.pendKey = nil, ""
	}
	if b.cur != nil {
		return b.cur, nil
	}
	return &b.payload, nil
}

// Transform adds a transform to the selected buffer.
func (b *Builder) Transform(t transform.Transform) error {
	if b.cur == nil || b.cur.def == nil {
		return problem("transforms need a sticky buffer")
	}
	if len(b.pending)+len(b.cur.transforms) >= 16 {
		return problem("too many transforms on one buffer")
	}
	b.pending = append(b.pending, t)
	b.pendKey += "\x00" + t.Name + "\x01" + t.Options
	return nil
}

// Last is the last content in any buffer, or nil.
func (b *Builder) Last() *Content {
	if x := b.lastContent(); x != nil {
		return x.content
	}
	return nil
}

func (b *Builder) lastContent() *item {
	var best *item
	each := func(u *bufferUse) {
		for i := len(u.items) - 1; i >= 0; i-- {
			if x := u.items[i]; x.content != nil {
				if best == nil || x.pos > best.pos {
					best = x
				}
				return
			}
		}
	}
	each(&b.payload)
	for _, u := range b.uses {
		each(u)
	}
	if b.base64use != nil {
		each(b.base64use)
	}
	return best
}

// Previous is the condition before a content in its buffer: a content, or nil; pcre says that it is a pcre.
func (b *Builder) Previous(c *Content) (prev *Content, pcre bool) {
	find := func(u *bufferUse) bool {
		for i, x := range u.items {
			if x.content != c {
				continue
			}
			for j := i - 1; j >= 0; j-- {
				if y := u.items[j]; y.content != nil || y.pcre {
					prev, pcre = y.content, y.pcre
					break
				}
			}
			return true
		}
		return false
	}
	if !find(&b.payload) && !(b.base64use != nil && find(b.base64use)) {
		for _, u := range b.uses {
			if find(u) {
				break
			}
		}
	}
	return prev, pcre
}

// AnyFast reports whether a content of the payload has fast_pattern already.
func (b *Builder) AnyFast() bool {
	for _, x := range b.payload.items {
		if x.content != nil && x.content.Fast {
			return true
		}
	}
	return false
}

// Select makes a buffer the one that conditions go to.
func (b *Builder) Select(name string) error {
	d := b.c.buffers.byName[name]
	if d == nil {
		return problem("there is no buffer " + name)
	}
	return b.selectDef(d, "")
}

// PacketBuffer selects a buffer of the packet, such as tcp.hdr. get returns nil when it is absent; what it returns is lent
// for the packet.
func (b *Builder) PacketBuffer(name string, get func(c *Ctx) []byte, n Needs) error {
	d := b.c.buffers.add(name, bufPacket)
	if d.packet == nil {
		d.packet = get
	}
	b.needs |= n
	return b.selectDef(d, "")
}

// Payload selects the payload, as pkt_data does.
func (b *Builder) Payload() error {
	b.base64 = false // pkt_data may follow base64_data
	if err := b.leave(); err != nil {
		return err
	}
	b.cur, b.sticky = nil, false
	return nil
}

// Sticky reports whether a sticky buffer is selected.
func (b *Builder) Sticky() bool { return b.cur != nil }

// leave ends the use of the selected buffer.
func (b *Builder) leave() error {
	if b.base64 {
		return problem("Rule buffer cannot be reset after base64_data.")
	}
	if len(b.pending) > 0 {
		return problem("no matches following transform(s)")
	}
	if b.cur != nil && b.cur.empty() {
		return problem("previous sticky buffer has no matches")
	}
	return nil
}

func (b *Builder) selectDef(d *bufferDef, dir string) error {
	if err := b.leave(); err != nil {
		return err
	}
	if dir != "" {
		rest, err := b.Direction(dir)
		if err != nil {
			return err
		}
		if rest != "" || !b.forceTS && !b.forceTC {
			return problem("unknown option: only accepts to_server or to_client")
		}
	}
	u := &bufferUse{def: d, onlyTS: b.forceTS, onlyTC: b.forceTC}
	b.forceTS, b.forceTC = false, false
	if d.kind != bufPacket && !d.apps.empty() {
		if err := b.restrict(d.apps); err != nil {
			return err
		}
	}
	if !d.multi {
		for _, old := range b.uses {
			if old.def == d && old.key == "" && old.onlyTS == u.onlyTS && old.onlyTC == u.onlyTC {
				b.cur = old
				return nil
			}
		}
	}
	if len(b.uses) >= 64 {
		return problem("too many buffers in one rule")
	}
	b.uses = append(b.uses, u)
	b.cur = u
	return nil
}

// restrict ties the rule to some of a set of application protocols.
func (b *Builder) restrict(s appSet) error {
	if b.r.apps.empty() {
		b.r.apps = s
	} else {
		x := b.r.apps.and(s)
		if x.empty() {
			return problem("rule contains conflicting alprotos set")
		}
		b.r.apps = x
	}
	b.r.flags |= appLayer
	return nil
}

// Restrict ties the rule to a protocol by its name in rules.
func (b *Builder) Restrict(name string) error {
	ids := b.c.cfg.Registry.Rule(name)
	if len(ids) == 0 {
		return problem("the protocol " + name + " is not available")
	}
	return b.restrict(appsOf(ids))
}

// modifier moves the last content of the payload to a buffer, as http_uri and its like do.
func (b *Builder) modifier(word string, d *bufferDef) error {
	if b.cur != nil {
		return problem("\"" + word + "\" keyword seen with a sticky buffer still set.  Reset sticky buffer with pkt_data before using the modifier.")
	}
	at := -1
	for i, x := range b.payload.items {
		if x.content != nil {
			at = i
		}
	}
	if at < 0 {
		return problem("\"" + word + "\" keyword found inside the rule without a content context.  Please use a \"content\" keyword before using the \"" + word + "\" keyword")
	}
	x := b.payload.items[at]
	if x.content.RawBytes {
		return problem(word + " rule can not be used with the rawbytes rule keyword")
	}
	if x.content.Replace != nil {
		return problem(word + " rule can not be used with the replace rule keyword")
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	var u *bufferUse
	for _, old := range b.uses {
		if old.def == d && old.key == "" {
			u = old
			break
		}
	}
	if u == nil {
		u = &bufferUse{def: d}
		b.uses = append(b.uses, u)
	}
	b.payload.items = append(b.payload.items[:at], b.payload.items[at+1:]...)
	u.items = append(u.items, x)
	b.last, b.lastAt = x, u
	return nil
}

// ModifierTo is modifier for keywords outside of descriptors (uricontent).
func (b *Builder) ModifierTo(word, buffer string) error {
	d := b.c.buffers.byName[buffer]
	if d == nil {
		return problem("the buffer " + buffer + " is not available")
	}
	return b.modifier(word, d)
}

// Size adds a condition on the length of the selected buffer.
func (b *Builder) Size(x chain.BSize) error {
	if b.cur == nil || b.cur.def == nil && b.cur != b.base64use {
		return problem("bsize must be used after a sticky buffer")
	}
	return b.Elem(&x)
}

// SizeOf adds a condition on the length of a named buffer, without selecting it (urilen).
func (b *Builder) SizeOf(buffer string, x chain.BSize) error {
	d := b.c.buffers.byName[buffer]
	if d == nil {
		return problem("the buffer " + buffer + " is not available")
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	for _, u := range b.uses {
		if u.def == d && u.key == "" {
			b.add(u, &item{other: &x})
			return nil
		}
	}
	u := &bufferUse{def: d}
	b.uses = append(b.uses, u)
	b.add(u, &item{other: &x})
	return nil
}

// Absent says that the selected buffer must not be there; with orElse it may also be there and match.
func (b *Builder) Absent(orElse bool) error {
	u, err := b.Active()
	if err != nil {
		return err
	}
	if u.def == nil || b.cur == nil {
		return problem("absent needs a sticky buffer")
	}
	u.absent = true
	u.orElse = orElse
	return nil
}

// Files adds a condition on the files of transactions.
func (b *Builder) Files(m FileMatch, n FileNeeds) error {
	d := b.c.buffers.byName["files"]
	if d == nil || len(d.sources) == 0 {
		return problem("no protocol with files is available")
	}
	var u *bufferUse
	for _, old := range b.uses {
		if old.def == d {
			u = old
		}
	}
	if u == nil {
		u = &bufferUse{def: d}
		b.uses = append(b.uses, u)
	}
	if b.forceTS || b.forceTC {
		u.onlyTS, u.onlyTC = b.forceTS, b.forceTC
		b.forceTS, b.forceTC = false, false
	}
	u.files = append(u.files, m)
	u.needs |= n
	b.r.flags |= needsFiles
	return nil
}

// Event adds a condition on an event of a protocol: "http.invalid_header".
func (b *Builder) Event(name string) error {
	proto, ev, ok := strings.Cut(name, ".")
	if !ok {
		return problem("the event " + name + " has no protocol")
	}
	ids := b.c.cfg.Registry.Rule(proto)
	if len(ids) == 0 {
		return problem("the protocol " + proto + " is not available")
	}
	u := &bufferUse{event: map[flow.ProtoID]uint8{}, negate: b.Negated}
	var apps appSet
	for _, id := range ids {
		p := b.c.cfg.Registry.ByID(id)
		if proto == "http" && p.Name != "http1" {
			continue // events of "http" are those of version 1
		}
		for i, e := range p.Events {
			if strings.EqualFold(e, ev) {
				u.event[id] = uint8(i)
				apps.add(id)
			}
		}
	}
	if apps.empty() {
		return problem("app-layer-event's protocol \"" + proto + "\" doesn't have event \"" + ev + "\" registered")
	}
	if err := b.restrict(apps); err != nil {
		return err
	}
	u.def = &bufferDef{name: "app-layer-events", kind: bufEvents, apps: apps, noFast: true, multi: true}
	for id := range ids {
		if _, ok := u.event[ids[id]]; !ok {
			continue
		}
		for _, d := range [2]app.Dir{app.ToServer, app.ToClient} {
			u.def.source(ids[id], app.At(d, 0))
		}
	}
	b.uses = append(b.uses, u)
	return nil
}

// word applies a keyword that a protocol's descriptor defines.
func (b *Builder) word(name string, w *word, value string, has bool) error {
	d := w.def
	switch {
	case w.modifier:
		if value != "" {
			return problem(name + " shouldn't be supplied with an argument")
		}
		return b.modifier(name, d)
	case d.kind == bufBytes:
		return b.selectDef(d, value)
	case d.kind == bufNumber:
		return b.number(name, d, value)
	case d.kind == bufTest:
		return b.test(name, d, value)
	}
	return problem("the keyword cannot be used here")
}

func (b *Builder) number(name string, d *bufferDef, value string) error {
	value, err := b.Direction(value)
	if err != nil {
		return err
	}
	if value == "" {
		return problem("invalid formatting or malformed option to " + name + " keyword")
	}
	n := d.sources[0].number
	x, err := ParseUint(value, int(n.Bits), n.Names)
	if err != nil {
		return err
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	u := &bufferUse{def: d, uint: x, value: value}
	u.onlyTS, u.onlyTC = b.forceTS, b.forceTC
	b.forceTS, b.forceTC = false, false
	b.uses = append(b.uses, u)
	return nil
}

func (b *Builder) test(name string, d *bufferDef, value string) error {
	f, key, err := d.sources[0].match.Setup(value)
	if err != nil {
		return err
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	b.uses = append(b.uses, &bufferUse{def: d, test: f, testKey: key, value: value})
	return nil
}

// Direction takes a leading "to_server" or "to_client" off a value, which ties the keyword, and a rule that is not for both
// directions of transactions, to that direction.
func (b *Builder) Direction(v string) (rest string, err error) {
	head, tail, more := strings.Cut(v, ",")
	ts := strings.TrimSpace(head) == "to_server"
	if !ts && strings.TrimSpace(head) != "to_client" {
		return v, nil
	}
	if more {
		rest = strings.TrimSpace(tail)
	}
	b.forceTS, b.forceTC = ts, !ts
	if b.r.flags&bothDirs == 0 {
		d, other := toServer, toClient
		if !ts {
			d, other = toClient, toServer
		}
		if b.r.flags&other != 0 {
			return "", problem("contradictory directions")
		}
		b.r.flags |= d
	}
	return rest, nil
}

// Flow sets the direction of the rule: what flow:to_server and its like do.
func (b *Builder) Flow(ts, tc bool) error {
	if b.r.flags&hasFlow != 0 {
		return problem("A signature may have only one flow option.")
	}
	if b.r.flags&bothDirs != 0 && ts != tc {
		return problem("rule " + strconv.FormatUint(uint64(b.r.meta.SID), 10) + " means to use both directions, cannot specify a flow direction")
	}
	f := b.r.flags & bothWays
	switch {
	case ts && !tc:
		if b.r.hook != nil && b.r.hook.dir == flow.ToClient {
			return problem("the direction conflicts with the hook")
		}
		f |= toServer
	case tc && !ts:
		if b.r.hook != nil && b.r.hook.dir == flow.ToServer {
			return problem("the direction conflicts with the hook")
		}
		f |= toClient
	default:
		if b.r.hook == nil {
			f |= bothWays
		}
	}
	b.r.flags |= f | hasFlow
	return nil
}

// StreamOnly and its twin are what flow:only_stream and flow:no_stream say.
func (b *Builder) StreamOnly() { b.r.flags |= requireStream | requireStreamOnly }

// PacketOnly keeps the rule off the reassembled stream.
func (b *Builder) PacketOnly() { b.r.flags |= requirePacket }

// Dsize sets the condition on the payload's size.
func (b *Builder) Dsize(x Uint) error {
	if b.r.flags&hasDsize != 0 {
		return problem("can't use 2 or more dsizes in the same sig.  Invalidating signature.")
	}
	b.r.dsize = x
	b.lastKeyword, b.lastContentKeyword = "dsize", false
	b.r.flags |= hasDsize | requirePacket
	return nil
}

// NoAlert silences the rule; AlertToo makes a pass rule heard.
func (b *Builder) NoAlert() { b.r.alerts, b.r.meta.NoAlert = false, true }

// AlertToo makes a pass rule write alerts.
func (b *Builder) AlertToo() { b.r.alerts = true }

// Bypass asks for the flow to be bypassed when the rule matches.
func (b *Builder) Bypass() { b.r.flags |= bypassing }

// SetPriority is what the priority keyword does.
func (b *Builder) SetPriority(p uint8) {
	b.r.meta.Priority, b.prioGiven = p, true
}

// SetClass is what the classtype keyword does.
func (b *Builder) SetClass(name string) {
	b.r.meta.Class = name
	if c, ok := b.c.cfg.Classes.Find(name); ok {
		b.r.meta.Class, b.r.meta.ClassText = c.Name, c.Text
		if !b.prioGiven {
			b.r.meta.Priority = c.Priority
		}
		return
	}
	b.c.unknownClass(name)
}

// Prefilter is what the prefilter keyword does: after a content it is fast_pattern, after another keyword it must be one
// that can decide early.
func (b *Builder) Prefilter() error {
	switch {
	case b.prefilter:
		return problem("prefilter already set")
	case b.lastKeyword == "":
		return problem("prefilter needs preceding match")
	}
	b.prefilter = true
	if c := b.Last(); c != nil && b.lastContentKeyword {
		c.Fast = true
		return nil
	}
	if len(b.keys) > 0 && b.keys[len(b.keys)-1] == b.lastKeyword {
		if x, ok := b.r.matches[len(b.r.matches)-1].(interface{ NoPrefilter() string }); ok {
			if why := x.NoPrefilter(); why != "" {
				return problem(why)
			}
		}
	}
	if b.flagsOf(b.lastKeyword)&Prefilterable == 0 {
		return problem("prefilter is not supported for " + b.lastKeyword)
	}
	return nil
}

// Flowbits counts the flowbits of the rule.
func (b *Builder) Flowbits(n int) { b.r.bits += n }

// Order marks what the rule does with variables, for the order of evaluation.
func (b *Builder) Order(k OrderKind, read, write bool) {
	if read {
		b.r.order.read[k] = true
	}
	if write {
		b.r.order.write[k] = true
	}
}

// NeedFlowVar says that the rule can only match when the flow has variables.
func (b *Builder) NeedFlowVar() { b.r.flags |= needFlowVar }

// ElemIn adds a condition to a named buffer, without selecting it (the buffer modifiers of pcre).
func (b *Builder) ElemIn(buffer string, e chain.Elem) error {
	d := b.c.buffers.byName[buffer]
	if d == nil {
		return problem("the buffer " + buffer + " is not available")
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	_, pcre := e.(*chain.Pcre)
	for _, u := range b.uses {
		if u.def == d && u.key == "" {
			b.add(u, &item{other: e, pcre: pcre})
			return nil
		}
	}
	u := &bufferUse{def: d}
	b.uses = append(b.uses, u)
	b.add(u, &item{other: e, pcre: pcre})
	return nil
}

// Knows reports whether there is a keyword of a name.
func (b *Builder) Knows(name string) bool {
	name = strings.ToLower(name)
	return b.c.keywords[name] != nil || b.c.xforms[name] != nil || b.c.buffers.words[name] != nil
}

// Warn complains of the rule without refusing it.
func (b *Builder) Warn(keyword, reason string) { b.c.warn(b.rule, keyword, reason) }

// Has reports whether the rule has a condition of a keyword of packet or flow already.
func (b *Builder) Has(keyword string) bool {
	for _, k := range b.keys {
		if k == keyword {
			return true
		}
	}
	for _, k := range b.postKeys {
		if k == keyword {
			return true
		}
	}
	return false
}

// Thresholds is the number of thresholds of the rule.
func (b *Builder) Thresholds() int { return len(b.r.thresholds) }

// Filestore is what the filestore keyword does.
func (b *Builder) Filestore(s StoreScope) {
	b.r.flags |= filestore | needsFiles
	b.r.meta.Store = true
	b.r.storeScope = s
}

// Apps resolves the name of an application protocol in a rule to its ids.
func (b *Builder) Apps(name string) []flow.ProtoID { return b.c.cfg.Registry.Rule(name) }

// Name returns the id of a variable's name.
func (b *Builder) Name(k NameKind, name string) uint32 { return b.c.cfg.Names.ID(k, name) }

// Known reports whether a protocol offers a buffer.
func (b *Builder) Known(buffer string) bool { return b.c.buffers.byName[buffer] != nil }

// Matches lists the conditions of a keyword that the rule has already.
func (b *Builder) Matches(keyword string) []Match {
	var out []Match
	for i, k := range b.keys {
		if k == keyword {
			out = append(out, b.r.matches[i])
		}
	}
	return out
}

// Selected reports whether a sticky buffer of a name, without transforms, is selected.
func (b *Builder) Selected(buffer string) bool {
	return b.cur != nil && b.cur.def != nil && b.cur.def.name == buffer && b.cur.key == "" && len(b.pending) == 0
}

// Posts lists what a keyword does after a match of the rule.
func (b *Builder) Posts(keyword string) []Match {
	var out []Match
	for i, k := range b.postKeys {
		if k == keyword {
			out = append(out, b.r.post[i])
		}
	}
	return out
}
