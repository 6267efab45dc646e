package pcre

import (
	"errors"
	"fmt"
	"strings"
)

// Scope says where a captured group goes.
type Scope uint8

// The scopes.
const (
	FlowVar     Scope = iota + 1 // flow:name
	PktVar                       // pkt:name
	AlertVar                     // alert:name
	PktKeyValue                  // pkt:key,pkt:value: the group is the name, the one after it the value
	AlertJSON                    // of no expression: JSON that a data set has for a value, for the alert
)

// Capture names a group.
type Capture struct {
	Scope Scope
	Name  string // empty for PktKeyValue
	Group int    // from 1
}

// Spec is the value of a pcre keyword.
type Spec struct {
	Regex    string
	Flags    Flags // NoAutoCapture included, where no group is named
	Negated  bool
	Relative bool // R
	RawBytes bool // B
	Buffer   byte // modifier that names a buffer, one of UIPQHDMCSYVWZ, or 0
	Captures []Capture
}

// maxCaptures is how many groups a rule can name.
const maxCaptures = 8

// ParseSuricata parses the value of a pcre keyword, /regex/modifiers, with or without its quotes and
// the negation before them. The expression is not compiled yet.
func ParseSuricata(value string) (Spec, error) {
	var s Spec
	v := strings.Trim(value, " \t")
	if strings.HasPrefix(v, "!") {
		s.Negated = true
		v = strings.TrimLeft(v[1:], " \t")
	}
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	v, names := cutCaptures(v)
	from, to := delimiters(v)
	if from < 0 {
		return Spec{}, fmt.Errorf("no /regex/ in %q", value)
	}
	s.Regex = v[from+1 : to]
	modifiers, _, _ := strings.Cut(v[to+1:], `"`)
	if len(modifiers) > 63 {
		return Spec{}, errors.New("too many modifiers")
	}
	for i := 0; i < len(modifiers); i++ {
		if err := s.modifier(modifiers[i]); err != nil {
			return Spec{}, err
		}
	}
	if s.Buffer == 'W' && s.Flags&Caseless == 0 && hasUpper(s.Regex) {
		return Spec{}, errors.New("the host name of modifier W is in lower case, the expression is not")
	}
	if names == "" {
		s.Flags |= NoAutoCapture
	}
	if err := s.captures(names); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// cutCaptures takes ", flow:name, pkt:name" off the end. Without a separator before it, "flow:" is a
// part of the expression.
func cutCaptures(v string) (rest, names string) {
	at := len(v)
	for _, p := range [...]string{"flow:", "pkt:", "alert:"} {
		if i := strings.Index(v, p); i >= 0 && i < at {
			at = i
		}
	}
	if at < 2 || at == len(v) {
		return v, ""
	}
	rest = strings.TrimRight(v[:at], ", ")
	if len(rest) == at {
		return v, ""
	}
	return rest, v[at:]
}

// delimiters returns the first slash that is not escaped, and the last one that a single backslash does
// not escape, or -1.
func delimiters(v string) (from, to int) {
	for from = 0; from < len(v); from++ {
		if v[from] == '/' && (from == 0 || v[from-1] != '\\') {
			break
		}
	}
	for to = len(v) - 1; to > from; to-- {
		if v[to] == '/' && !(v[to-1] == '\\' && (to < 2 || v[to-2] != '\\')) {
			return from, to
		}
	}
	return -1, -1
}

// modifier applies one letter.
func (s *Spec) modifier(c byte) error {
	switch c {
	case 'i':
		s.Flags |= Caseless
	case 'm':
		s.Flags |= Multiline
	case 's':
		s.Flags |= DotAll
	case 'x':
		s.Flags |= Extended
	case 'A':
		s.Flags |= Anchored
	case 'E':
		s.Flags |= DollarEndOnly
	case 'G':
		s.Flags |= Ungreedy
	case 'O':
		s.Flags |= ConfiguredLimits
	case 'R':
		s.Relative = true
	case 'B':
		if s.Buffer != 0 {
			return errors.New("the modifier B is inconsistent with the chosen buffer")
		}
		s.RawBytes = true
	case 'U', 'V', 'W', 'Z', 'H', 'I', 'M', 'C', 'D', 'P', 'Q', 'Y', 'S':
		if s.RawBytes && strings.IndexByte("UVWZHIMC", c) >= 0 {
			return fmt.Errorf("the modifier %c is inconsistent with B", c)
		}
		if s.Buffer != 0 && s.Buffer != c {
			return fmt.Errorf("the modifiers %c and %c name different buffers", s.Buffer, c)
		}
		s.Buffer = c
	default:
		return fmt.Errorf("unknown modifier %q", string(rune(c)))
	}
	return nil
}

// hasUpper reports whether an expression has capital letters that stand for themselves.
func hasUpper(re string) bool {
	for i := 0; i < len(re); i++ {
		if re[i] == '\\' {
			if i++; i < len(re) && re[i] == 'x' {
				i += 2 // the digits of a byte
			}
			continue
		}
		if re[i] >= 'A' && re[i] <= 'Z' {
			return true
		}
	}
	return false
}

// captures reads the list of names and then the groups named in the expression, (?P<flow_name>…).
//
// As in Suricata the position in the list is the group's number, but that a key and its value count as
// one.
func (s *Spec) captures(names string) error {
	key := false
	for _, n := range strings.FieldsFunc(strings.TrimSuffix(names, `"`), func(r rune) bool { return r == ',' || r == ' ' }) {
		switch {
		case n == "pkt:key" && !key:
			key = true
			if err := s.capture(PktKeyValue, ""); err != nil {
				return err
			}
		case key && n == "pkt:value":
			key = false
		case n == "pkt:value":
			return errors.New("pkt:value without pkt:key")
		case key:
			return errors.New("pkt:value must follow pkt:key")
		default:
			kind, name, _ := strings.Cut(n, ":")
			if scopes[kind] == 0 || name == "" {
				return fmt.Errorf("the name of a captured group starts with flow:, pkt: or alert:, not %q", n)
			}
			if err := s.capture(scopes[kind], name); err != nil {
				return err
			}
		}
	}
	for rest := s.Regex; ; {
		i := strings.Index(rest, "(?P<")
		if i < 0 {
			return nil
		}
		rest = rest[i+len("(?P<"):]
		group, _, ok := strings.Cut(rest, ">")
		if !ok {
			return nil
		}
		kind, name, ok := strings.Cut(group, "_")
		if !ok || name == "" || scopes[kind] == 0 {
			continue
		}
		if err := s.capture(scopes[kind], name); err != nil {
			return err
		}
	}
}

var scopes = map[string]Scope{"flow": FlowVar, "pkt": PktVar, "alert": AlertVar}

func (s *Spec) capture(scope Scope, name string) error {
	if len(s.Captures) >= maxCaptures {
		return errors.New("more than 8 captured groups are named")
	}
	s.Captures = append(s.Captures, Capture{scope, name, len(s.Captures) + 1})
	return nil
}

// Compile compiles the expression and checks that it has as many groups as are named.
func (s *Spec) Compile() (*Regexp, error) {
	r, err := Compile(s.Regex, s.Flags)
	if err != nil {
		return nil, err
	}
	need := 0
	for _, c := range s.Captures {
		need = max(need, c.Group)
		if c.Scope == PktKeyValue {
			need = max(need, c.Group+1)
		}
	}
	if need > r.Groups() {
		return nil, errors.New("more captured groups are named than the expression has")
	}
	return r, nil
}
