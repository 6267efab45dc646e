package detect

import (
	"fmt"
	"strings"

	"sentinel/detect/transform"
	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// compiler is the state of one Compile.
type compiler struct {
	cfg      Config
	keywords map[string]*Keyword
	xforms   map[string]*transform.Keyword
	buffers  *buffers
	rs       *Ruleset

	heads    []head
	addrs    []rules.AddressSet // [0] is any
	addrText map[string]uint32
	addrKey  map[string]uint32
	portSets []rules.PortSet // [0] is any
	portText map[string]uint32
	portKey  map[string]uint32

	all      []*built
	errs     []error
	failed   map[string]int
	classes  map[string]bool // unknown ones that were complained of
	warnings []error
	why      string // the rule under way is to be skipped
}

// built is a rule with what was needed to build it.
type built struct {
	r    *compiled
	b    *Builder
	head head
}

// Compile makes a Ruleset of rules. Rules that are wrong are left out, each with an error "file:line: keyword: reason";
// the Ruleset is never nil.
func Compile(cfg Config, list []rules.Rule) (*Ruleset, []error) {
	cfg.defaults()
	c := &compiler{
		cfg: cfg, keywords: map[string]*Keyword{}, xforms: map[string]*transform.Keyword{},
		addrs: make([]rules.AddressSet, 1), addrText: map[string]uint32{}, addrKey: map[string]uint32{},
		portSets: make([]rules.PortSet, 1), portText: map[string]uint32{}, portKey: map[string]uint32{},
		failed: map[string]int{}, classes: map[string]bool{},
	}
	for i := range cfg.Keywords {
		k := &cfg.Keywords[i]
		c.keywords[strings.ToLower(k.Name)] = k
		if k.Alias != "" {
			c.keywords[strings.ToLower(k.Alias)] = k
		}
	}
	xs := transform.All()
	for i := range xs {
		c.xforms[xs[i].Name] = &xs[i]
	}
	c.buffers = newBuffers(cfg.Registry, cfg.DefineFileMagic)
	c.rs = &Ruleset{cfg: cfg, Generation: cfg.Generation, Names: cfg.Names}
	c.load(list)
	c.applyThresholds()
	c.order()
	c.assemble()
	if cfg.Describe {
		c.rs.Described = c.describe()
	}
	c.rs.Failed = c.failed
	c.rs.Warnings = c.warnings
	return c.rs, c.errs
}

// load builds every rule. Of rules with the same gid and sid the one with the greater revision stays.
func (c *compiler) load(list []rules.Rule) {
	type key struct{ gid, sid uint32 }
	at := map[key]int{}
	kept := make([][]*built, 0, len(list))
	for i := range list {
		r := &list[i]
		if r.Disabled {
			continue
		}
		c.rs.Total++
		bs, skipped, err := c.build(r)
		if skipped {
			c.rs.Skipped++
			if c.why != "" {
				c.rs.Why = append(c.rs.Why, r.Err("requires", c.why))
				c.why = ""
			}
			continue
		}
		if err != nil {
			c.fail(r, err)
			continue
		}
		k := key{bs[0].r.meta.GID, bs[0].r.meta.SID}
		if j, dup := at[k]; dup {
			old := kept[j]
			if bs[0].r.meta.Rev > old[0].r.meta.Rev {
				c.warn(r, "sid", fmt.Sprintf("Signature with newer revision, so the older sig replaced by this new signature \"%s\"", r.Raw))
				kept[j] = nil
				at[k] = len(kept)
				kept = append(kept, bs)
			} else {
				c.fail(r, r.Err("sid", fmt.Sprintf("Duplicate signature \"%s\"", r.Raw)))
			}
			continue
		}
		at[k] = len(kept)
		kept = append(kept, bs)
	}
	for _, bs := range kept {
		c.all = append(c.all, bs...)
	}
}

func (c *compiler) fail(r *rules.Rule, err error) {
	e, ok := err.(*rules.Error)
	if !ok {
		e = r.Err("", err.Error())
	}
	c.failed[e.Keyword]++
	c.rs.FailedRules++
	c.errs = append(c.errs, e)
}

func (c *compiler) warn(r *rules.Rule, keyword, reason string) {
	c.warnings = append(c.warnings, r.Err(keyword, reason))
}

func (c *compiler) unknownClass(name string) {
	if !c.classes[name] {
		c.classes[name] = true
		c.warnings = append(c.warnings, problem("unknown classtype: \""+name+"\", using default priority 3"))
	}
}

// build builds one rule, or both directions of "<>". skipped says that what the rule requires is not there.
func (c *compiler) build(r *rules.Rule) (bs []*built, skipped bool, err error) {
	one, skipped, err := c.buildDir(r, false)
	if err != nil || skipped {
		return nil, skipped, err
	}
	bs = append(bs, one)
	if r.Bidir {
		h := &one.head
		if h.src != h.dst || h.sp != h.dp {
			two, skipped, err := c.buildDir(r, true)
			if err != nil || skipped {
				return nil, skipped, err
			}
			bs = append(bs, two)
		}
	}
	return bs, false, nil
}

func (c *compiler) buildDir(r *rules.Rule, swapped bool) (*built, bool, error) {
	c.heads = append(c.heads[:0], head{})
	x := &compiled{src: r, alerts: true, iid: uint32(len(c.all) + c.rs.Total*2)}
	if swapped {
		x.iid++
	}
	x.meta = Meta{GID: 1, Action: r.Action, Raw: r.Raw, Proto: r.Proto, File: r.File, Line: r.Line}
	b := &Builder{c: c, rule: r, r: x}
	switch r.Scope {
	case "packet":
		x.scope = scopePacket
	case "flow":
		x.scope = scopeFlow
	}
	if r.Action == rules.Pass || r.Action == rules.Config {
		x.alerts = false
	}
	// sid and requires come first: what is not met here is no error further down.
	for _, first := range [2]bool{true, false} {
		if !first {
			if !b.sid {
				return nil, false, r.Err("sid", "Signature missing required value \"sid\".")
			}
			if err := b.header(swapped); err != nil {
				return nil, false, err
			}
		}
		for i := range r.Options {
			o := &r.Options[i]
			early := strings.EqualFold(o.Name, "requires") || strings.EqualFold(o.Name, "sid")
			if early != first {
				continue
			}
			if err := b.option(o); err != nil {
				if err == ErrSkip {
					return nil, true, nil
				}
				return nil, false, err
			}
		}
	}
	if err := b.finish(); err != nil {
		return nil, false, err
	}
	return &built{r: x, b: b, head: c.heads[0]}, false, nil
}

// Note says something about the rule that is no complaint.
func (b *Builder) Note(text string) { b.c.rs.Notes = append(b.c.rs.Notes, text) }

// Skip notes why the rule is not for this engine, and returns ErrSkip.
func (b *Builder) Skip(why string) error {
	b.c.why = why
	return ErrSkip
}

// ErrSkip is what a keyword returns when the rule is not for this engine, which is no error (requires).
var ErrSkip error = problem("skipped")

// errorf is an error about a keyword of the rule.
func (b *Builder) errorf(keyword, reason string) error { return b.rule.Err(keyword, reason) }

// option applies one option.
func (b *Builder) option(o *rules.Option) error {
	name := strings.ToLower(o.Name)
	b.Negated = false
	b.opt, b.text = name, o.Value
	if k := b.c.keywords[name]; k != nil {
		b.opt = k.Name
		v, err := b.value(o, k.Flags)
		if err != nil {
			return b.errorf(o.Name, err.Error())
		}
		if err := k.Setup(b, v); err != nil {
			if err == ErrSkip {
				return err
			}
			return b.errorf(o.Name, err.Error())
		}
		return nil
	}
	if k := b.c.xforms[name]; k != nil {
		f := OptionalValue
		if k.NoValue {
			f = NoValue
		} else if !k.Optional {
			f = 0
		}
		if k.Quoted {
			f |= MaybeQuoted
		}
		if k.MustQuote {
			f |= Quoted
		}
		v, err := b.value(o, f)
		if err != nil {
			return b.errorf(o.Name, err.Error())
		}
		t, err := k.Setup(v)
		if err == nil {
			t.Name, t.Options = k.Name, v
			err = b.Transform(t)
		}
		if err != nil {
			return b.errorf(o.Name, err.Error())
		}
		return nil
	}
	if w := b.c.buffers.words[name]; w != nil {
		f := OptionalValue | MaybeQuoted
		if w.modifier {
			f = NoValue
		}
		if w.def.kind == bufTest {
			// Such a keyword sees its value as it is, without the quotes.
			v := o.Value
			if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			if err := b.word(o.Name, w, v, o.HasValue); err != nil {
				return b.errorf(o.Name, err.Error())
			}
			return nil
		}
		v, err := b.value(o, f)
		if err == nil {
			err = b.word(o.Name, w, v, o.HasValue)
		}
		if err != nil {
			return b.errorf(o.Name, err.Error())
		}
		return nil
	}
	return b.errorf(o.Name, "unknown rule keyword '"+o.Name+"'.")
}

// value checks an option's syntax and returns its value without quotes and negation.
func (b *Builder) value(o *rules.Option, f KeywordFlags) (string, error) {
	switch {
	case f&NoValue != 0:
		if o.Value != "" {
			return "", problem("unexpected option to " + o.Name + " keyword: '" + o.Value + "'")
		}
		return "", nil
	case o.Value == "":
		if f&OptionalValue != 0 {
			return "", nil
		}
		return "", problem("invalid formatting or malformed option to " + o.Name + " keyword: '" + o.Name + "'")
	}
	q := rules.QuotesForbidden
	if f&Quoted != 0 {
		q = rules.QuotesMandatory
	} else if f&MaybeQuoted != 0 {
		q = rules.QuotesOptional
	}
	v, neg, reason := o.Split(q, f&Negatable != 0)
	if reason != "" {
		// In the words that readers of logs know.
		switch {
		case strings.HasPrefix(reason, "unbalanced quotes"):
			reason = "bad option value formatting (possible missing semicolon) for keyword " + o.Name + ": '" + o.Value + "'"
		case strings.HasPrefix(reason, "the value must be double quoted"):
			reason = "invalid formatting to " + o.Name + " keyword: value must be double quoted '" + o.Name + "'"
		case strings.HasPrefix(reason, "the keyword does not take quotes"):
			reason = "quotes on " + o.Name + " keyword that doesn't support them: '" + o.Name + "'"
		}
		return "", problem(reason)
	}
	b.Negated = neg
	return v, nil
}

// SID and its like are what the keywords of the same names do.
func (b *Builder) SID(v uint32) error {
	if b.sid {
		return problem("duplicated 'sid' keyword detected")
	}
	b.sid, b.r.meta.SID = true, v
	return nil
}

func (f ruleFlags) in(d flow.Dir) bool {
	if d == app.ToServer {
		return f&toServer != 0
	}
	return f&toClient != 0
}
