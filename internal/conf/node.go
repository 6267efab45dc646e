package conf

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Node is one key of the configuration: a scalar, a mapping or a list. The elements of a list
// are children named "0", "1" and so on. All methods are safe on a nil Node, which stands for
// a key that is not there.
type Node struct {
	name     string
	value    string
	hasValue bool // false for null and for keys that only have children
	list     bool // the children are list elements
	element  bool // this is a mapping inside a list; value is its first key
	final    bool // set on the command line
	file     string
	line     int
	parent   *Node
	children []*Node
	index    map[string]*Node // only once there are many children
}

// indexFrom is the number of children from which lookups go through a map.
const indexFrom = 16

// Name returns the last part of the key: a mapping's key, or a list element's index.
func (n *Node) Name() string {
	if n == nil {
		return ""
	}
	return n.name
}

// Path returns the key from the root, for example "outputs.1.eve-log.enabled".
func (n *Node) Path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	if p := n.parent.Path(); p != "" {
		return p + "." + n.name
	}
	return n.name
}

// File returns the name of the file that set the node, or "--set".
func (n *Node) File() string {
	if n == nil {
		return ""
	}
	return n.file
}

// Line returns the line in File, counted from 1, or 0 when the node comes from no file.
func (n *Node) Line() int {
	if n == nil {
		return 0
	}
	return n.line
}

// Pos returns "file:line" for messages, or the file alone when there is no line.
func (n *Node) Pos() string {
	if n == nil {
		return ""
	}
	return position(n.file, n.line)
}

func position(file string, line int) string {
	if line <= 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}

// Children returns the children in order. The slice belongs to the tree and is read-only.
func (n *Node) Children() []*Node {
	if n == nil {
		return nil
	}
	return n.children[:len(n.children):len(n.children)]
}

// IsList reports whether the node was written as a list.
func (n *Node) IsList() bool { return n != nil && n.list }

// Exists reports whether the key is there, even if it is null.
func (n *Node) Exists() bool { return n != nil }

// Child returns the child with exactly this name, `_` and `-` being equal, or nil.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	return n.child(n.mangle(name))
}

func (n *Node) child(name string) *Node {
	if n.index != nil {
		return n.index[name]
	}
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Get returns the node at a dotted path below n, or nil. An element of a list is addressed by
// its index, by the key of its single-key mapping ("outputs.eve-log"), by its interface
// ("af-packet.eth0"), or, for a scalar, by its value ("types.dns").
func (n *Node) Get(path string) *Node {
	for n != nil && path != "" {
		part, rest, _ := strings.Cut(path, ".")
		next := n.Child(part)
		if next == nil && n.list {
			next = n.named(part)
		}
		n, path = next, rest
	}
	return n
}

// Has reports whether there is a key at the dotted path below n.
func (n *Node) Has(path string) bool { return n.Get(path) != nil }

// named finds a list element by what it is called instead of where it stands.
func (n *Node) named(name string) *Node {
	e := n.elementNamed(name)
	if e == nil {
		return nil
	}
	if c := e.Child(name); c != nil {
		return c
	}
	return e
}

func (n *Node) elementNamed(name string) *Node {
	key := mangle(name)
	for _, e := range n.children {
		if e.element && e.value == key || !e.element && e.hasValue && e.value == name {
			return e
		}
	}
	for _, e := range n.children {
		if c := e.child("interface"); c != nil && c.value == name {
			return e
		}
	}
	return nil
}

// Entries goes through a list of things that have a name and perhaps options, as outputs and their types are:
// "- eve-log: {...}" gives the name and the mapping, "- dns" the name and nil.
func (n *Node) Entries() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		for _, e := range n.Children() {
			if e.hasValue && !yield(e.value, e.child(mangle(e.value))) {
				return
			}
		}
	}
}

// Interface returns the element of a list whose interface key has this name, and the element that holds the
// defaults. Either can be nil.
func (n *Node) Interface(name string) (own, def *Node) {
	for _, e := range n.Children() {
		switch v := e.Child("interface").Str(""); {
		case v == "":
		case v == name && own == nil:
			own = e
		case v == "default" && def == nil:
			def = e
		}
	}
	return own, def
}

// First returns the node at the path below the first of the nodes that has it, or nil. It is for settings with a
// place for defaults.
func First(path string, nodes ...*Node) *Node {
	for _, n := range nodes {
		if c := n.Get(path); c != nil {
			return c
		}
	}
	return nil
}

func (n *Node) add(c *Node) *Node {
	c.parent = n
	n.children = append(n.children, c)
	if n.index != nil {
		n.index[c.name] = c
	} else if len(n.children) >= indexFrom {
		n.index = make(map[string]*Node, 2*indexFrom)
		for _, c := range n.children {
			n.index[c.name] = c
		}
	}
	return c
}

func (n *Node) set(value string) { n.value, n.hasValue = value, true }

// prune empties a node that is about to be defined again; what the command line set stays.
func (n *Node) prune() {
	kept := n.children[:0]
	for _, c := range n.children {
		if !c.final {
			c.prune()
			if len(c.children) == 0 {
				continue
			}
		}
		kept = append(kept, c)
	}
	clear(n.children[len(kept):])
	n.children, n.index = kept, nil
	n.list, n.element = false, false
	if !n.final {
		n.value, n.hasValue = "", false
	}
}

// mangle gives the spelling under which a key of n is kept. Names of rule variables keep
// their underscores, because rules refer to them.
func (n *Node) mangle(name string) string {
	if n.name == "address-groups" || n.name == "port-groups" {
		return name
	}
	return mangle(name)
}

func mangle(name string) string { return strings.ReplaceAll(name, "_", "-") }

func (n *Node) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s: %s", n.Pos(), n.Path(), fmt.Sprintf(format, args...))
}
