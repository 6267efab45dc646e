package detect

import (
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

	named       map[string]bool // variables that a condition before sets; true: one on a sticky buffer
	vars        chain.Vars      // variables of byte_extract and byte_math
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
	// For reports: the option under way, by the keyword's own name, and its value as written.
	opt         string
	text        string
	prefilterOn string   // the keyword of packets that the prefilter keyword refers to; "" = none
	sizeAt      int      // place of dsize among the matches
	limits      []string // keywords of thresholds, in order
}

// bufferUse is one use of a buffer in a rule: what it is, and the conditions on it.
type bufferUse struct {
	def        *bufferDef // nil = payload
	transforms []transform.Transform
	key        string // of the transforms
	items      []*item
	uint       UintList
	test       func(tx app.Transaction, d app.Dir) bool
	testKey    string
	event      map[flow.ProtoID]uint8
	states     []stateTest
	files      []FileMatch
	needs      FileNeeds
	absent     bool
	orElse     bool
	onlyTS     bool
	onlyTC     bool
	value      string   // of an integer or test keyword
	fileWords  []string // keywords of files
	negate     bool
}

func (u *bufferUse) empty() bool {
	return len(u.items) == 0 && !u.absent && len(u.files) == 0 && (u.def == nil || u.def.kind == bufBytes || u.def.kind == bufPacket || u.def.kind == bufFrame)
}

// item is one condition on bytes, in order: a content, or something that only detect/chain understands.
type item struct {
	content *Content
	other   chain.Elem
	pcre    bool
	pos     int    // number in the rule
	name    string // the keyword
	text    string // its value as written
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
func (b *Builder) Threshold(t Threshold) {
	b.r.thresholds, b.limits = append(b.r.thresholds, &t), append(b.limits, b.opt)
}

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
	_, pcre := e.(*chain.Pcre)
	if b.cur == nil && b.lastAt != nil && isRelative(e) {
		// Without a sticky buffer a relative condition goes where the last match is, whatever modifier moved it there.
		u = b.lastAt
	}
	b.add(u, &item{other: e, pcre: pcre})
	return nil
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
	x.name, x.text = b.opt, b.text
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

// LastPayload is the last content of the payload, or nil.
func (b *Builder) LastPayload() *Content {
	for i := len(b.payload.items) - 1; i >= 0; i-- {
		if c := b.payload.items[i].content; c != nil {
			return c
		}
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
// Payload selects the payload, as pkt_data does.
// Sticky reports whether a sticky buffer is selected.
// leave ends the use of the selected buffer.
// restrict ties the rule to some of a set of application protocols.
// Restrict ties the rule to a protocol by its name in rules.
// modifier moves the last content of the payload to a buffer, as http_uri and its like do.
// ModifierTo is modifier for keywords outside of descriptors (uricontent).
// Size adds a condition on the length of the selected buffer.
// SizeOf adds a condition on the length of a named buffer, without selecting it (urilen).
// Absent says that the selected buffer must not be there; with orElse it may also be there and match.
// Files adds a condition on the files of transactions.
// Event adds a condition on an event of a protocol: "http.invalid_header".
// word applies a keyword that a protocol's descriptor defines.
// Direction takes a leading "to_server" or "to_client" off a value, which ties the keyword, and a rule that is not for both
// directions of transactions, to that direction.
// Flow sets the direction of the rule: what flow:to_server and its like do.
// StreamOnly and its twin are what flow:only_stream and flow:no_stream say.
// PacketOnly keeps the rule off the reassembled stream.
// Dsize sets the condition on the payload's size.
// NoAlert silences the rule; AlertToo makes a pass rule heard.
// AlertToo makes a pass rule write alerts.
// Bypass asks for the flow to be bypassed when the rule matches.
// SetPriority is what the priority keyword does.
// SetClass is what the classtype keyword does.
// Prefilter is what the prefilter keyword does: after a content it is fast_pattern, after another keyword it must be one
// that can decide early.
// Flowbits counts the flowbits of the rule.
// Order marks what the rule does with variables, for the order of evaluation.
// NeedFlowVar says that the rule can only match when the flow has variables.
// ElemIn adds a condition to a named buffer, without selecting it (the buffer modifiers of pcre).
// Knows reports whether there is a keyword of a name.
// Warn complains of the rule without refusing it.
// Has reports whether the rule has a condition of a keyword of packet or flow already.
// Thresholds is the number of thresholds of the rule.
// Filestore is what the filestore keyword does.
// Apps resolves the name of an application protocol in a rule to its ids.
// Name returns the id of a variable's name.
// Known reports whether a protocol offers a buffer.
// Matches lists the conditions of a keyword that the rule has already.
// Selected reports whether a sticky buffer of a name, without transforms, is selected.
// Posts lists what a keyword does after a match of the rule.
// SetVariable notes that a condition sets a variable.
// HasVariable reports whether a condition before sets a variable. The empty name is that of a number.
// AnyMatch reports whether there is a condition on bytes yet.
