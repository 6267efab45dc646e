package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// grade says how bad a finding is.
type grade string

// The grades.
const (
	gradeOK      grade = "ok"
	gradeWarning grade = "warning"
	gradeError   grade = "error"
)

// finding is one thing that was looked at.
type finding struct {
	Grade grade  `json:"level"`
	Area  string `json:"area"`           // what it belongs to, such as an interface
	What  string `json:"what"`           // what was found
	Why   string `json:"why,omitempty"`  // why it matters
	Mend  string `json:"mend,omitempty"` // the command that mends it
}

// findings are gathered by those who look.
type findings []finding

func (f *findings) ok(area, format string, args ...any) {
	*f = append(*f, finding{Grade: gradeOK, Area: area, What: fmt.Sprintf(format, args...)})
}

func (f *findings) warn(area, what, why, mend string) {
	*f = append(*f, finding{gradeWarning, area, what, why, mend})
}

func (f *findings) fail(area, what, why, mend string) {
	*f = append(*f, finding{gradeError, area, what, why, mend})
}

func (f findings) count(g grade) int {
	n := 0
	for i := range f {
		if f[i].Grade == g {
			n++
		}
	}
	return n
}

// paint is a terminal's colour for a word, or nothing.
type paint bool

// painter uses colours where w is a terminal and nobody objects.
func painter(w io.Writer) paint {
	f, ok := w.(*os.File)
	return paint(ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())))
}

func (p paint) in(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) grade(g grade) string {
	text := fmt.Sprintf("%-7s", g)
	switch g {
	case gradeError:
		return p.in("1;31", text)
	case gradeWarning:
		return p.in("33", text)
	}
	return p.in("32", text)
}

// write prints the findings area by area. Warnings and errors come with their reason and remedy.
func (f findings) write(w io.Writer, p paint) error {
	var b strings.Builder
	area := ""
	for i, x := range f {
		if i == 0 || x.Area != area {
			if i > 0 {
				b.WriteByte('\n')
			}
			area = x.Area
			fmt.Fprintln(&b, p.in("1", area))
		}
		fmt.Fprintf(&b, "  %s  %s\n", p.grade(x.Grade), strings.ReplaceAll(x.What, "\n", "\n           "))
		if x.Why != "" {
			fmt.Fprintf(&b, "           why:  %s\n", x.Why)
		}
		if x.Mend != "" {
			fmt.Fprintf(&b, "           mend: %s\n", p.in("36", strings.ReplaceAll(x.Mend, "\n", "\n                 ")))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// plural writes a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
