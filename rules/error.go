package rules

import "strconv"

// Error is a complaint about one rule, with the place to look at.
type Error struct {
	File    string
	Line    int    // first line of the rule, from 1; 0 when unknown
	Keyword string // the option or header part that is wrong; may be empty
	Reason  string
	Raw     string // the rule's text; may be empty
}

// Error returns "file:line: keyword: reason" without the parts that are unknown.
func (e *Error) Error() string {
	b := make([]byte, 0, len(e.File)+len(e.Keyword)+len(e.Reason)+16)
	if e.File != "" {
		b = append(b, e.File...)
		b = append(b, ':')
	}
	if e.Line > 0 {
		b = strconv.AppendInt(b, int64(e.Line), 10)
		b = append(b, ':')
	}
	if len(b) > 0 {
		b = append(b, ' ')
	}
	if e.Keyword != "" {
		b = append(b, e.Keyword...)
		b = append(b, ": "...)
	}
	return string(append(b, e.Reason...))
}
