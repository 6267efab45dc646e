package conf

import (
	"fmt"
	"strconv"
	"strings"
)

// Set carries out one --set argument, "a.b.c=value". What it sets is final: files read later do not
// change it, only another Set does. Paths are as for Node.Get; what is missing is created.
func (t *Tree) Set(arg string) error {
	path, value, ok := strings.Cut(arg, "=")
	if !ok {
		return fmt.Errorf("--set %s: want key=value", arg)
	}
	path = strings.TrimRight(path, " \t\n\v\f\r")
	value = strings.TrimLeft(value, " \t\n\v\f\r")
	if err := t.SetPath(path, value); err != nil {
		return fmt.Errorf("--set %s: %w", arg, err)
	}
	return nil
}

// SetPath is Set with key and value apart.
func (t *Tree) SetPath(path, value string) error {
	if len(path) > maxPath {
		return fmt.Errorf("key is longer than %d characters", maxPath)
	}
	parts := strings.Split(path, ".")
	if len(parts) > maxDepth {
		return fmt.Errorf("key is nested deeper than %d", maxDepth)
	}
	for _, p := range parts {
		if p == "" {
			return fmt.Errorf("key %q has an empty part", path)
		}
	}
	n := t.root
	for _, p := range parts {
		n = n.reach(p)
	}
	n.set(value)
	n.final = true
	n.file, n.line = "--set", 0
	return nil
}

// reach returns the child that one part of a path names, and makes it if need be.
func (n *Node) reach(part string) *Node {
	name := n.mangle(part)
	if c := n.child(name); c != nil {
		return c
	}
	index := isIndex(part)
	if n.list && !index {
		e := n.elementNamed(part)
		if e == nil {
			e = n.add(&Node{name: n.freeIndex(), file: "--set"})
		} else if c := e.child("interface"); c != nil && c.value == part && e.value != name {
			return e
		}
		if c := e.child(name); c != nil {
			return c
		}
		return e.firstKey(name)
	}
	if index && len(n.children) == 0 {
		n.list = true
	}
	c := n.add(&Node{name: name, file: "--set"})
	if n.parent != nil && n.parent.list && !index {
		if !n.hasValue {
			n.set(name)
		}
		n.element = n.element || n.value == name
	}
	return c
}

// firstKey adds a key to a list element, which takes the key's name if it has none yet.
func (n *Node) firstKey(name string) *Node {
	if !n.hasValue {
		n.set(name)
	}
	n.element = true
	return n.add(&Node{name: name, file: "--set"})
}

func (n *Node) freeIndex() string {
	for i := len(n.children); ; i++ {
		if s := strconv.Itoa(i); n.child(s) == nil {
			return s
		}
	}
}

// isIndex reports whether a part of a path is a list index. Nine digits keep it inside an int.
func isIndex(s string) bool {
	if s == "" || len(s) > 9 {
		return false
	}
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}
