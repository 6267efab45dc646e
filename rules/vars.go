package rules

import "strings"

// Vars holds the variables of a configuration: vars.address-groups and vars.port-groups, by name
// without the "$".
type Vars struct {
	Address, Port map[string]string
}

// Bounds on what expressions may expand to: variables name variables, and without a bound thirty short
// lines could ask for 2^30 items.
const (
	maxDepth = 64
	maxItems = 1 << 18
)

// expression is the state of expanding one address or port expression.
type expression struct {
	vars  map[string]string
	items int
}

func (e *expression) lookup(name string) (string, error) {
	name = strings.TrimLeft(name, " \t")
	name = strings.TrimPrefix(name, "$")
	v, ok := e.vars[name]
	if !ok {
		return "", problem("the variable " + quote(name) + " is not defined")
	}
	if strings.TrimSpace(v) == "" {
		return "", problem("the variable " + quote(name) + " is empty; a value that starts with \"!\" must be quoted in YAML")
	}
	return v, nil
}

func (e *expression) count(depth int) error {
	if depth > maxDepth {
		return problem("lists and variables are nested more than 64 deep; is there a loop?")
	}
	if e.items++; e.items > maxItems {
		return problem("the expression expands to too many items")
	}
	return nil
}

// problem is an error without a place; the caller knows the rule.
type problem string

func (p problem) Error() string { return string(p) }

// item is one element of a list before it is understood.
type item struct {
	text    string // without "!" and, for a list, without the brackets
	negated bool
	list    bool
	last    bool // no comma follows
}

// nextItem takes the next element off a comma-separated list. A trailing comma is allowed.
func nextItem(s string) (it item, rest string, err error) {
	i := 0
	for i < len(s) && (isSpace(s[i]) || s[i] == '!') {
		it.negated = it.negated || s[i] == '!'
		i++
	}
	if i < len(s) && s[i] == '[' {
		depth, j := 0, i
		for ; j < len(s); j++ {
			if s[j] == '[' {
				depth++
			} else if s[j] == ']' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		if depth != 0 {
			return it, "", problem("a bracket is not closed in " + quote(s))
		}
		it.text, it.list = s[i+1:j], true
		j++
		for j < len(s) && isSpace(s[j]) {
			j++
		}
		if j < len(s) && s[j] != ',' {
			return it, "", problem("a comma is missing after \"]\" in " + quote(s))
		}
		it.last = j >= len(s)
		if !it.last {
			j++
		}
		return it, s[j:], nil
	}
	j := strings.IndexByte(s[i:], ',')
	if j < 0 {
		it.text, it.last = s[i:], true
	} else {
		it.text, rest = s[i:i+j], s[i+j+1:]
	}
	if strings.IndexByte(it.text, ']') >= 0 {
		return it, "", problem("a bracket is not opened in " + quote(s))
	}
	if strings.TrimSpace(it.text) == "" {
		return it, "", problem("an element is missing in " + quote(s))
	}
	return it, rest, nil
}
