package detect

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Class is one line of classification.config.
type Class struct {
	Name     string
	Text     string
	Priority uint8
}

// Classes is a classification.config.
type Classes struct {
	byName map[string]Class
	list   []Class
}

// Find looks a classtype up, without regard to case.
func (c *Classes) Find(name string) (Class, bool) {
	if c == nil {
		return Class{}, false
	}
	x, ok := c.byName[strings.ToLower(name)]
	return x, ok
}

// Len is the number of classtypes.
func (c *Classes) Len() int {
	if c == nil {
		return 0
	}
	return len(c.list)
}

// ParseClasses reads "config classification: shortname,description,priority" lines. Lines that are wrong are left out, each
// with an error.
func ParseClasses(r io.Reader, file string) (*Classes, []error) {
	c := &Classes{byName: map[string]Class{}}
	var errs []error
	lines(r, func(n int, line string) {
		rest, ok := configLine(line, "classification")
		if !ok {
			errs = append(errs, lineError(file, n, "Invalid Classtype in classification.config file "+file+": \""+line+"\""))
			return
		}
		parts := strings.SplitN(rest, ",", 3)
		if len(parts) != 3 {
			errs = append(errs, lineError(file, n, "Invalid Classtype in classification.config file "+file+": \""+line+"\""))
			return
		}
		name, text := strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1])
		p, err := strconv.ParseUint(strings.TrimSpace(parts[2]), 10, 8)
		if err != nil || name == "" || !isClassName(name) {
			errs = append(errs, lineError(file, n, "Invalid Classtype in classification.config file "+file+": \""+line+"\""))
			return
		}
		k := strings.ToLower(name)
		if _, dup := c.byName[k]; dup {
			return // the first one counts
		}
		x := Class{Name: k, Text: text, Priority: uint8(p)}
		c.byName[k] = x
		c.list = append(c.list, x)
	})
	return c, errs
}

func isClassName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// configLine takes "config what:" off a line.
func configLine(line, what string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(line, "config")
	if !ok {
		return "", false
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), what)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), ":")
	return strings.TrimSpace(rest), ok
}

// lines calls f for each line that is neither empty nor a comment.
func lines(r io.Reader, f func(n int, line string)) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), 1<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		f(n, line)
	}
}

func lineError(file string, n int, reason string) error {
	return problem(file + ":" + strconv.Itoa(n) + ": " + reason)
}
