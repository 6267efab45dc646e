package rules

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// MaxFile is the greatest size of a rule file in bytes.
const MaxFile = 1 << 30

// ParseFile reads a file of rules. It returns all rules that parse and an error for each that does not.
func ParseFile(path string) ([]Rule, []*Error) { return parseFile(path, mode{}) }

// ParseFirewallFile is ParseFile for the rules of a firewall: other actions, and more of them.
func ParseFirewallFile(path string) ([]Rule, []*Error) {
	return parseFile(path, mode{firewall: true})
}

// Parse reads rules; name stands for the file in messages.
func Parse(r io.Reader, name string) ([]Rule, []*Error) { return parseReader(r, name, 0, mode{}) }

// ParseWithDisabled is Parse, and returns rules that are commented out too, marked Disabled.
func ParseWithDisabled(r io.Reader, name string) ([]Rule, []*Error) {
	return parseReader(r, name, 0, mode{disabled: true})
}

// mode is what a reader looks for.
type mode struct {
	disabled bool // rules in comments too
	firewall bool // rules of a firewall
}

func parseFile(path string, m mode) ([]Rule, []*Error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, []*Error{{File: path, Reason: fmt.Sprintf("cannot open: %v", unpath(err))}}
	}
	defer f.Close()
	var size int64
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		size = st.Size()
	}
	return parseReader(f, path, size, m)
}

// unpath takes the path out of an error, which the caller names already.
func unpath(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

func parseReader(r io.Reader, name string, size int64, m mode) ([]Rule, []*Error) {
	if size > MaxFile {
		return nil, []*Error{{File: name, Reason: "the file is larger than 1 GiB"}}
	}
	var b strings.Builder
	b.Grow(int(size) + 1)
	n, err := io.Copy(&b, io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, []*Error{{File: name, Reason: fmt.Sprintf("cannot read: %v", unpath(err))}}
	}
	if n > MaxFile {
		return nil, []*Error{{File: name, Reason: "the file is larger than 1 GiB"}}
	}
	return parseText(b.String(), name, m)
}

// parseText splits a file into rules. As in Suricata a line that starts with a blank, "#" or nothing
// is no rule, unless it continues one: a backslash at the end of a line, blanks after it not counted,
// goes away together with the line's end.
func parseText(s, name string, m mode) ([]Rule, []*Error) {
	s = strings.TrimPrefix(s, "\ufeff")
	rs := make([]Rule, 0, len(s)/600+1)
	var errs []*Error
	var joined []byte // the rule so far, when continued
	for line, first := 0, 0; len(s) > 0; {
		var text string
		text, s, _ = strings.Cut(s, "\n")
		line++
		if len(joined) == 0 {
			first = line
			if text == "" {
				continue
			}
			switch text[0] {
			case '\r', ' ', '\t':
				continue
			case '#':
				if m.disabled {
					if r, ok := disabledRule(text); ok {
						r.File, r.Line = name, line
						rs = append(rs, r)
					}
				}
				continue
			}
		}
		text = strings.TrimRight(text, " \t\r\v\f")
		if n := len(text); n > 0 && text[n-1] == '\\' {
			if len(joined) <= MaxLen { // more would be refused anyway
				joined = append(joined, text[:n-1]...)
			}
			if len(s) > 0 {
				continue
			}
			errs = append(errs, &Error{File: name, Line: first, Reason: "the file ends in a continued rule"})
			break
		}
		if len(joined) > 0 {
			text = string(append(joined, text...))
			joined = joined[:0]
		}
		r := Rule{File: name, Line: first, Raw: text, Firewall: m.firewall}
		if e := r.parse(); e != nil {
			errs = append(errs, e)
			continue
		}
		rs = append(rs, r)
	}
	return rs, errs
}

// disabledRule parses a comment that holds a rule.
func disabledRule(text string) (Rule, bool) {
	text = strings.TrimRight(strings.TrimLeft(text, "# \t"), " \t\r")
	word, _, _ := strings.Cut(text, " ")
	if _, _, reason := parseAction(word, false); reason != "" {
		return Rule{}, false
	}
	r := Rule{Raw: text, Disabled: true}
	if r.parse() != nil || len(r.Options) == 0 {
		return Rule{}, false
	}
	return r, true
}
