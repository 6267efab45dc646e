//go:build !cgo

package pcre

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// timeout bounds one match: this engine has no match limits.
const timeout = 20 * time.Millisecond

// Regexp is a compiled expression. It is immutable and workers share it.
type Regexp struct {
	re     *regexp2.Regexp
	groups int
}

// Compile returns a compiled expression.
func Compile(expr string, flags Flags) (*Regexp, error) {
	if flags&Ungreedy != 0 {
		return nil, errors.New("the modifier G needs a build with cgo")
	}
	options := regexp2.RegexOptions(regexp2.RE2) // for (?P<name>…) and [[:alpha:]]
	for _, f := range [...]struct {
		flag   Flags
		option regexp2.RegexOptions
	}{
		{Caseless, regexp2.IgnoreCase}, {Multiline, regexp2.Multiline}, {DotAll, regexp2.Singleline},
		{Extended, regexp2.IgnorePatternWhitespace}, {NoAutoCapture, regexp2.ExplicitCapture},
	} {
		if flags&f.flag != 0 {
			options |= f.option
		}
	}
	text := translate(expr, flags)
	re, err := regexp2.Compile(text, options)
	if err != nil && flags&NoAutoCapture != 0 {
		re, err = regexp2.Compile(text, options&^regexp2.ExplicitCapture)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (this build has no PCRE2)", err)
	}
	re.MatchTimeout = timeout
	return &Regexp{re: re, groups: len(re.GetGroupNumbers()) - 1}, nil
}

// high is where bytes of 0x80 and more go. The engine thinks in Unicode, where many of them would be
// letters or blanks; private characters are nothing.
const high = 0xf700

// translate rewrites an expression: bytes and escapes of high bytes, and what the engine spells
// differently.
func translate(expr string, flags Flags) string {
	var b strings.Builder
	if flags&Anchored != 0 {
		b.WriteString(`\G(?:`)
	}
	class := false
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '\\' && i+1 < len(expr):
			i++
			switch n := expr[i]; {
			case n == 'x' && !(i+1 < len(expr) && expr[i+1] == '{'): // none to two digits
				v := byte(0)
				for k := 0; k < 2 && i+1 < len(expr) && isHex(expr[i+1]); k++ {
					i++
					v = v<<4 | unhex(expr[i])
				}
				if v >= 0x80 {
					fmt.Fprintf(&b, `\u%04x`, high|int(v))
				} else {
					fmt.Fprintf(&b, `\x%02x`, v)
				}
			case n == 'h' && class:
				b.WriteString(`\t `)
			case n == 'h':
				b.WriteString(`[\t ]`)
			case n == 'R' && !class:
				b.WriteString(`(?>\r\n|[\n\v\f\r])`)
			case strings.IndexByte("/\";_<>!%&',:=@`~", n) >= 0: // not special, and refused when escaped
				fmt.Fprintf(&b, `\x%02x`, n)
			default:
				b.WriteByte('\\')
				writeByte(&b, n)
			}
			continue
		case class && c == ']':
			class = false
		case !class && c == '[':
			class = true
			b.WriteByte(c)
			if i+1 < len(expr) && expr[i+1] == '^' {
				i++
				b.WriteByte('^')
			}
			if i+1 < len(expr) && expr[i+1] == ']' { // the first one stands for itself
				i++
				b.WriteString(`\]`)
			}
			continue
		case class && c == '[' && !(i+1 < len(expr) && expr[i+1] == ':'):
			b.WriteString(`\[`)
			continue
		case class && c == '[': // [:alpha:]
			if k := strings.Index(expr[i:], ":]"); k > 0 {
				b.WriteString(expr[i : i+k+2])
				i += k + 1
				continue
			}
		case !class && strings.HasPrefix(expr[i:], "(?P="):
			if k := strings.IndexByte(expr[i:], ')'); k > 0 {
				b.WriteString(`\k<` + expr[i+4:i+k] + ">")
				i += k
				continue
			}
		case !class && c == '$' && flags&Multiline == 0:
			if flags&DollarEndOnly != 0 {
				b.WriteString(`\z`)
			} else {
				b.WriteString(`(?=\n?\z)`)
			}
			continue
		}
		writeByte(&b, c)
	}
	if flags&Anchored != 0 {
		if flags&Extended != 0 {
			b.WriteByte('\n') // ends a comment
		}
		b.WriteByte(')')
	}
	return b.String()
}

func writeByte(b *strings.Builder, c byte) {
	if c >= 0x80 {
		b.WriteRune(high | rune(c))
		return
	}
	b.WriteByte(c)
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// Groups returns the number of capturing groups.
func (r *Regexp) Groups() int { return r.groups }

// Matcher holds what a match needs besides the expression. One goroutine owns it.
type Matcher struct {
	Errors uint64 // matches given up for their time

	runes []rune
	match *regexp2.Match
	data  []byte
}

// NewMatcher returns a matcher; this engine has a time-out instead of limits.
func NewMatcher(Limits) (*Matcher, error) { return &Matcher{}, nil }

// Close does nothing: all memory is Go's.
func (m *Matcher) Close() {}

// Match looks for the expression in data from position start on; what is before start can still be
// looked back at. It returns where the match begins and ends.
func (r *Regexp) Match(data []byte, start int, m *Matcher) (from, to int, ok bool) {
	m.match = nil
	if uint(start) > uint(len(data)) {
		return 0, 0, false
	}
	m.runes = m.runes[:0]
	for _, c := range data {
		x := rune(c)
		if c >= 0x80 {
			x |= high
		}
		m.runes = append(m.runes, x)
	}
	match, err := r.re.FindRunesMatchStartingAt(m.runes, start)
	if err != nil {
		m.Errors++
		return 0, 0, false
	}
	if match == nil {
		return 0, 0, false
	}
	m.match, m.data = match, data
	return match.Index, match.Index + match.Length, true
}

// Group returns what group n of the last match holds, the whole match for 0, and nil if it took no part.
// It is a part of the data that was matched.
func (m *Matcher) Group(n int) []byte {
	if m.match == nil || n < 0 || n >= maxGroups {
		return nil
	}
	g := m.match.GroupByNumber(n)
	if g == nil || len(g.Captures) == 0 {
		return nil
	}
	return m.data[g.Index : g.Index+g.Length : g.Index+g.Length]
}
