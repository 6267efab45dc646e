package detect

import (
	"strconv"
	"strings"

	"sentinel/stream/flow"
)

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

func (b *Builder) StreamOnly() { b.r.flags |= requireStream | requireStreamOnly }

func (b *Builder) PacketOnly() { b.r.flags |= requirePacket }

func (b *Builder) Dsize(x Uint) error {
	if b.r.flags&hasDsize != 0 {
		return problem("can't use 2 or more dsizes in the same sig.  Invalidating signature.")
	}
	b.r.dsize, b.sizeAt = x, len(b.keys)
	b.lastKeyword, b.lastContentKeyword = "dsize", false
	b.r.flags |= hasDsize | requirePacket
	return nil
}

func (b *Builder) NoAlert() { b.r.alerts, b.r.meta.NoAlert = false, true }

func (b *Builder) AlertToo() { b.r.alerts = true }

func (b *Builder) Bypass() { b.r.flags |= bypassing }

func (b *Builder) SetPriority(p uint8) {
	if b.prioGiven {
		b.Warn("priority", "duplicate priority keyword. Using highest priority in the rule")
		p = min(p, b.r.meta.Priority)
	}
	b.r.meta.Priority, b.prioGiven = p, true
}

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
	b.prefilterOn = b.lastKeyword
	return nil
}

func (b *Builder) Flowbits(n int) { b.r.bits += n }

func (b *Builder) Order(k OrderKind, read, write bool) {
	if read {
		b.r.order.read[k] = true
	}
	if write {
		b.r.order.write[k] = true
	}
}

func (b *Builder) NeedFlowVar() { b.r.flags |= needFlowVar }

func (b *Builder) Knows(name string) bool {
	name = strings.ToLower(name)
	if k := b.c.keywords[name]; k != nil {
		return k.Flags&Refused == 0
	}
	return b.c.xforms[name] != nil || b.c.buffers.words[name] != nil
}

func (b *Builder) Warn(keyword, reason string) { b.c.warn(b.rule, keyword, reason) }

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

func (b *Builder) Thresholds() int { return len(b.r.thresholds) }

// Filestore is what the filestore keyword does. The directions count for scopes beyond the file.
func (b *Builder) Filestore(s StoreScope, ts, tc bool) {
	b.r.flags |= filestore | needsFiles
	b.r.meta.Store = true
	b.r.storeScope, b.r.storeDirs = s, [2]bool{ts, tc}
}

func (b *Builder) Apps(name string) []flow.ProtoID { return b.c.cfg.Registry.Rule(name) }

func (b *Builder) Name(k NameKind, name string) uint32 { return b.c.cfg.Names.ID(k, name) }

func (b *Builder) Matches(keyword string) []Match {
	var out []Match
	for i, k := range b.keys {
		if k == keyword {
			out = append(out, b.r.matches[i])
		}
	}
	return out
}

func (b *Builder) Posts(keyword string) []Match {
	var out []Match
	for i, k := range b.postKeys {
		if k == keyword {
			out = append(out, b.r.post[i])
		}
	}
	return out
}

// SetVariable notes that a condition sets a variable.
func (b *Builder) SetVariable(name string) {
	if b.named == nil {
		b.named = map[string]bool{}
	}
	b.named[name] = b.named[name] || b.cur != nil
}

// HasVariable reports whether a condition before sets a variable. The empty name is that of a number.
func (b *Builder) HasVariable(name string) bool {
	_, ok := b.named[name]
	return ok || name == ""
}

// HasBufferVariable is HasVariable for conditions on a sticky buffer, which do not see what the payload's conditions set.
func (b *Builder) HasBufferVariable(name string) bool { return name == "" || b.named[name] }

// AnyMatch reports whether there is a content or an expression yet.
func (b *Builder) AnyMatch() bool {
	for _, u := range b.uses {
		if u.anyMatch() {
			return true
		}
	}
	return b.payload.anyMatch() || b.base64use != nil && b.base64use.anyMatch()
}

// AnyMatchIn is AnyMatch for a named buffer without transforms.
func (b *Builder) AnyMatchIn(buffer string) bool {
	for _, u := range b.uses {
		if u.def.name == buffer && u.key == "" && u.anyMatch() {
			return true
		}
	}
	return false
}

func (u *bufferUse) anyMatch() bool {
	for _, x := range u.items {
		if x.content != nil || x.pcre {
			return true
		}
	}
	return false
}

// Bound reports whether the rule is for some application protocols only.
func (b *Builder) Bound() bool { return !b.r.apps.empty() }

// Bypasses reports whether the rule has bypass, and Stores whether it has filestore.
func (b *Builder) Bypasses() bool { return b.r.flags&bypassing != 0 }

// Stores reports whether the rule has filestore.
func (b *Builder) Stores() bool { return b.r.flags&filestore != 0 }
