package conf

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed keys.txt
var keysFile string

// Key is a key that is set and known, but not carried out yet.
type Key struct {
	Path string // in the catalogue's form: without list indices
	File string
	Line int
}

// Unknown is a key that nothing knows.
type Unknown struct {
	Path    string
	Nearest string // the known key that looks most like it, or empty
	File    string
	Line    int
}

// String returns the warning to show.
func (u Unknown) String() string {
	s := position(u.File, u.Line) + ": unknown key " + u.Path
	if u.Nearest != "" {
		s += ", did you mean " + u.Nearest + "?"
	}
	return s
}

// maxNearest is for how many unknown keys the catalogue is searched.
const maxNearest = 64

// known is a node of the catalogue.
type known struct {
	path string
	kids map[string]*known
	any  *known // for *
	deep bool   // for **
	leaf bool
}

var catalogue = sync.OnceValues(func() (*known, []string) { return readCatalogue(keysFile) })

func readCatalogue(text string) (*known, []string) {
	root := &known{}
	var all []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		for _, path := range expand(line) {
			k := root
			for part := range strings.SplitSeq(path, ".") {
				k = k.grow(part)
			}
			k.leaf = true
			all = append(all, path)
		}
	}
	return root, all
}

func (k *known) grow(part string) *known {
	path := part
	if k.path != "" {
		path = k.path + "." + part
	}
	switch part {
	case "**":
		k.deep = true
		return k
	case "*":
		if k.any == nil {
			k.any = &known{path: path}
		}
		return k.any
	}
	if k.kids == nil {
		k.kids = map[string]*known{}
	}
	if k.kids[part] == nil {
		k.kids[part] = &known{path: path}
	}
	return k.kids[part]
}

// find returns what the catalogue has for a key below k, or nil.
func (k *known) find(name string) *known {
	if c := k.kids[name]; c != nil {
		return c
	}
	return k.any
}

// expand replaces {a,b} in a path by each of its words.
func expand(s string) []string {
	before, rest, ok := strings.Cut(s, "{")
	if !ok {
		return []string{s}
	}
	words, after, _ := strings.Cut(rest, "}")
	var out []string
	for _, tail := range expand(after) {
		for w := range strings.SplitSeq(words, ",") {
			out = append(out, before+w+tail)
		}
	}
	return out
}

// Known returns the catalogue: the paths of all keys, list indices left out, with * for any word and ** for
// anything below.
func Known() []string {
	_, all := catalogue()
	return append([]string(nil), all...)
}

// Check compares the tree with the catalogue of keys. The function says whether the engine carries out the key
// or the whole section with the given path, in the catalogue's form. What it does not carry out comes back in
// notYet, whole sections as one; what the catalogue does not have, in unknown.
func (t *Tree) Check(done func(path string) bool) (notYet []Key, unknown []Unknown) {
	root, _ := catalogue()
	c := checker{done: done}
	c.children(t.Root(), root)
	return c.notYet, c.unknown
}

type checker struct {
	done    func(string) bool
	notYet  []Key
	unknown []Unknown
	some    bool // something below the current section is done
}

func (c *checker) children(n *Node, k *known) {
	for _, child := range n.Children() {
		switch {
		case !n.list:
			c.node(child, k.find(child.name), k)
		case len(child.children) > 0:
			c.children(child, k)
		case child.hasValue && (k.kids != nil || k.any != nil):
			if e := k.find(child.value); e != nil {
				c.leaf(child, e)
			} else {
				c.miss(child, joinPath(n.Path(), child.value), joinPath(k.path, child.value), k)
			}
		}
	}
}

func joinPath(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}

func (c *checker) node(n *Node, k, parent *known) {
	if k == nil {
		if !parent.deep {
			c.miss(n, n.Path(), joinPath(parent.path, n.name), parent)
		}
		return
	}
	if len(n.children) == 0 {
		if n.hasValue || k.leaf || n.parent.element {
			c.leaf(n, k)
		}
		return
	}
	if c.done(k.path) {
		c.some = true
		inner := checker{done: func(string) bool { return true }}
		if !k.deep {
			inner.children(n, k)
		}
		c.unknown = append(c.unknown, inner.unknown...)
		return
	}
	if k.deep || k.kids == nil && k.any == nil {
		c.notYet = append(c.notYet, Key{k.path, n.file, n.line})
		return
	}
	outer, from := c.some, len(c.notYet)
	c.some = false
	c.children(n, k)
	if !c.some && len(c.notYet) > from {
		c.notYet = append(c.notYet[:from], Key{k.path, n.file, n.line})
	}
	c.some = c.some || outer
}

func (c *checker) leaf(n *Node, k *known) {
	if c.done(k.path) {
		c.some = true
		return
	}
	c.notYet = append(c.notYet, Key{k.path, n.file, n.line})
}

// miss notes a key that is not below parent. The path is as written, like is the same without list indices.
func (c *checker) miss(n *Node, path, like string, parent *known) {
	u := Unknown{Path: path, File: n.file, Line: n.line}
	if len(c.unknown) < maxNearest {
		u.Nearest = nearest(like, parent)
	}
	c.unknown = append(c.unknown, u)
}

// nearest returns the known key that looks most like the path: one of the same section if it has one, then one
// of the whole catalogue, then the only one that ends in the same word.
func nearest(path string, parent *known) string {
	name := path[strings.LastIndexByte(path, '.')+1:]
	best, at := "", 1+len(name)/3
	for word, k := range parent.kids {
		if d := distance(name, word, at+1); d < at || d == at && best != "" && k.path < best {
			best, at = k.path, d
		}
	}
	if best != "" {
		return best
	}
	_, all := catalogue()
	at = 1 + len(path)/4
	for _, p := range all {
		if strings.Contains(p, "*") {
			continue
		}
		if d := distance(path, p, at); d < at {
			best, at = p, d
		}
	}
	if best != "" {
		return best
	}
	for _, p := range all {
		if strings.HasSuffix(p, "."+name) {
			if best != "" {
				return ""
			}
			best = p
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or swap to get from a to b, or limit if it is
// that or more.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit
		}
		two, one, row = one, row, two
	}
	return min(one[len(b)], limit)
}

// Summary names keys in one line, for the keys that are not carried out yet.
func Summary(keys []Key) string {
	names := make([]string, 0, len(keys))
	seen := map[string]bool{}
	for _, k := range keys {
		if !seen[k.Path] {
			seen[k.Path] = true
			names = append(names, k.Path)
		}
	}
	return fmt.Sprintf("%d keys have no effect yet: %s", len(names), strings.Join(names, ", "))
}
