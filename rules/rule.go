package rules

import (
	"io"
	"strings"
)

// Rule is one rule, taken apart but not understood. Its strings share the memory of the file that it
// was read from.
type Rule struct {
	File     string // as given to the reader; empty for ParseRule
	Line     int    // first line of the rule, from 1
	Raw      string // the rule's text, continued lines joined
	Disabled bool   // commented out; only the readers "WithDisabled" return such rules

	Action Action
	Scope  string // "packet" or "flow" of drop:flow and the like, or empty

	Firewall bool     // a rule of the firewall's own files
	More     []Action // of a firewall rule: what it does besides, as in accept:flow,alert

	Proto string // lower-cased, without the hook
	Hook  string // "request_started" of http1:request_started; keeps further colons; or empty

	// Addresses and ports are texts for ParseAddresses and ParsePorts.
	Src, SrcPort string
	Dst, DstPort string

	Bidir   bool // <>: either direction
	TxBidir bool // =>: one rule that looks at both directions of a transaction

	Options []Option // in the order written, which matters
}

// Get returns the first option of the given name, compared without case.
func (r *Rule) Get(name string) (Option, bool) {
	for i := range r.Options {
		if strings.EqualFold(r.Options[i].Name, name) {
			return r.Options[i], true
		}
	}
	return Option{}, false
}

// Err returns an error about a keyword of the rule.
func (r *Rule) Err(keyword, reason string) *Error {
	return &Error{File: r.File, Line: r.Line, Keyword: keyword, Reason: reason, Raw: r.Raw}
}

// String returns the rule in canonical spacing. Parsing it gives an equal rule, but for File, Line and Raw.
func (r *Rule) String() string {
	var b strings.Builder
	b.Grow(len(r.Raw) + 16)
	if r.Disabled {
		b.WriteString("# ")
	}
	b.WriteString(r.Action.String())
	if r.Scope != "" {
		b.WriteByte(':')
		b.WriteString(r.Scope)
	}
	for _, a := range r.More {
		b.WriteByte(',')
		b.WriteString(a.String())
	}
	b.WriteByte(' ')
	b.WriteString(r.Proto)
	if r.Hook != "" {
		b.WriteByte(':')
		b.WriteString(r.Hook)
	}
	arrow := "->"
	switch {
	case r.Bidir:
		arrow = "<>"
	case r.TxBidir:
		arrow = "=>"
	}
	for _, s := range [...]string{r.Src, r.SrcPort, arrow, r.Dst, r.DstPort} {
		b.WriteByte(' ')
		b.WriteString(s)
	}
	b.WriteString(" (")
	for i := range r.Options {
		if i > 0 {
			b.WriteByte(' ')
		}
		o := &r.Options[i]
		b.WriteString(o.Name)
		if o.HasValue {
			b.WriteByte(':')
			b.WriteString(o.Value)
		}
		b.WriteByte(';')
	}
	b.WriteByte(')')
	return b.String()
}

// WriteTo writes the rule in canonical spacing and a line end.
func (r *Rule) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, r.String()+"\n")
	return int64(n), err
}
