package rules

import "strings"

// Option is one "name:value;" of a rule.
//
// Value is the text between the colon and the semicolon, without blanks around it and otherwise as
// written: quotes, a leading "!" and escapes such as "\;" are still there, because keywords differ in
// what they make of them. Split undoes what the grammar knows: negation and quotes. Escapes stay with
// the keyword: a content unescapes one way, msg another, pcre not at all.
type Option struct {
	Name     string // as written
	Value    string
	HasValue bool // there was a colon; the value may still be empty
	Pos      int  // byte offset of the name in Rule.Raw
}

// Quotes says whether a keyword takes its value in double quotes.
type Quotes uint8

// The three kinds of keyword.
const (
	QuotesForbidden Quotes = iota
	QuotesOptional
	QuotesMandatory
)

// Split returns the value without quotes and, if the keyword takes a negation, without the leading
// "!". What is left of the blanks around the inner text belongs to the value. The reason is empty if
// the value is well formed; an absent or empty value is fine here.
func (o *Option) Split(q Quotes, negatable bool) (value string, negated bool, reason string) {
	v := o.Value
	if v == "" {
		return "", false, ""
	}
	if negatable && v[0] == '!' {
		negated = true
		v = trimLeft(v[1:])
		if v == "" {
			return "", false, "invalid formatting or malformed option to " + o.Name + " keyword: " + quote(o.Value)
		}
	}
	quoted := v != "" && v[0] == '"'
	switch {
	case q == QuotesMandatory && !quoted:
		return "", false, "invalid formatting to " + o.Name + " keyword: value must be double quoted " + quote(o.Value)
	case q == QuotesForbidden && quoted:
		return "", false, "quotes on " + o.Name + " keyword that doesn't support them: " + quote(o.Value)
	case !quoted:
		return v, negated, ""
	}
	if len(v) < 2 || v[len(v)-1] != '"' {
		return "", false, "bad option value formatting (possible missing semicolon) for keyword " + o.Name + ": " + quote(o.Value)
	}
	v = v[1 : len(v)-1]
	if v == "" {
		return "", false, "the value is empty"
	}
	return v, negated, ""
}

func trimLeft(s string) string { return strings.TrimLeft(s, " \t") }

func trim(s string) string { return strings.Trim(s, " \t") }

// quote puts a text from a rule into a message, shortened to a readable length.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "..."
	}
	return "'" + s + "'"
}
