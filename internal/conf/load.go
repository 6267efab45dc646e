package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Bounds on what files can make us do.
const (
	maxDepth    = 128      // nesting of mappings and lists, includes counted in
	maxFileSize = 16 << 20 // bytes
	maxNodes    = 1 << 20  // nodes of a tree, aliases expanded
	maxFiles    = 512      // files read for a tree
	maxPath     = 1024     // bytes of a dotted key
	maxWarnings = 1000
)

// Options says what Load takes into account beside the main file.
type Options struct {
	Include []string // files of --include, read after the main file
	Set     []string // "key=value" of --set, applied last
}

// Warning is something odd in a file that does not stop it from being used.
type Warning struct {
	File string
	Line int
	Text string
}

// String returns "file:line: text".
func (w Warning) String() string { return position(w.File, w.Line) + ": " + w.Text }

// Tree is a configuration that has been read.
type Tree struct {
	root  *Node
	base  string // directory of the main file, against which includes are looked up
	files []string
	nodes int
}

// New returns an empty tree, to be filled by Set.
func New() *Tree { return &Tree{root: &Node{}} }

// Load reads a configuration file and what it includes.
func Load(path string, opts Options) (*Tree, []Warning, error) {
	t := New()
	t.base = filepath.Dir(path)
	l := &loader{tree: t}
	if err := l.file(t.root, path, 0); err != nil {
		return nil, l.warnings, err
	}
	for _, inc := range opts.Include {
		if err := l.include(t.root, inc, "", 0); err != nil {
			return nil, l.warnings, err
		}
	}
	for _, s := range opts.Set {
		if err := t.Set(s); err != nil {
			return nil, l.warnings, err
		}
	}
	return t, l.warnings, nil
}

// Parse reads a configuration from memory. The name is used in messages, and its directory for
// includes.
func Parse(data []byte, name string) (*Tree, []Warning, error) {
	t := New()
	t.base = filepath.Dir(name)
	l := &loader{tree: t}
	if err := l.bytes(t.root, data, name, 0); err != nil {
		return nil, l.warnings, err
	}
	return t, l.warnings, nil
}

// LoadAt reads another file into the tree below the dotted path, as a tenant's configuration is, or at the root if
// the path is empty. On an error the tree may have part of it.
func (t *Tree) LoadAt(path, file string) ([]Warning, error) {
	n, depth := t.root, 0
	if path != "" {
		for p := range strings.SplitSeq(path, ".") {
			if depth++; p == "" || depth > maxDepth {
				return nil, fmt.Errorf("key %q has an empty part or too many", path)
			}
			n = n.reach(p)
		}
	}
	if t.base == "" {
		t.base = filepath.Dir(file)
	}
	l := &loader{tree: t}
	err := l.file(n, file, depth)
	return l.warnings, err
}

// Root returns the node above all keys.
func (t *Tree) Root() *Node {
	if t == nil {
		return nil
	}
	return t.root
}

// Get returns the node at a dotted path, or nil. See Node.Get.
func (t *Tree) Get(path string) *Node { return t.Root().Get(path) }

// Files returns the names of the files read, in order.
func (t *Tree) Files() []string { return slices.Clone(t.files) }

// loader fills a tree from files.
type loader struct {
	tree     *Tree
	open     []string // files being read, outermost first
	name     string   // file being read
	warnings []Warning
	aliases  []*yaml.Node // aliases being expanded
}

func (l *loader) warn(line int, format string, args ...any) {
	if len(l.warnings) < maxWarnings {
		l.warnings = append(l.warnings, Warning{l.name, line, fmt.Sprintf(format, args...)})
	}
}

func (l *loader) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s: %s", position(l.name, line), fmt.Sprintf(format, args...))
}

// include reads a file that another one names. A relative name is looked up beside the main file, as
// the reference does, and then beside the including file.
func (l *loader) include(into *Node, name, from string, depth int) error {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(l.tree.base, name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			other := name
			if from != "" {
				other = filepath.Join(filepath.Dir(from), name)
			}
			if _, err := os.Stat(other); err == nil {
				path = other
			}
		}
	}
	return l.file(into, path, depth)
}

func (l *loader) file(into *Node, path string, depth int) error {
	clean := path
	if abs, err := filepath.Abs(path); err == nil {
		clean = abs
	}
	if slices.Contains(l.open, clean) {
		return fmt.Errorf("%s includes itself", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", path, errors.Unwrap(err))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	f.Close()
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, errors.Unwrap(err))
	}
	l.open = append(l.open, clean)
	err = l.bytes(into, data, path, depth)
	l.open = l.open[:len(l.open)-1]
	return err
}

func (l *loader) bytes(into *Node, data []byte, name string, depth int) error {
	outer := l.name
	l.name = name
	defer func() { l.name = outer }()
	if len(l.tree.files) >= maxFiles {
		return l.errorf(0, "more than %d files", maxFiles)
	}
	l.tree.files = append(l.tree.files, name)
	if len(data) > maxFileSize {
		return l.errorf(0, "larger than %d bytes", maxFileSize)
	}
	data, err := l.header(data)
	if err != nil {
		return err
	}
	doc, err := l.decode(data)
	if err != nil || doc == nil {
		return err
	}
	switch {
	case doc.Kind == yaml.MappingNode:
		return l.mapping(into, doc, depth)
	case isNull(doc):
		return nil
	}
	return l.errorf(doc.Line, "the configuration is not a mapping of keys to values")
}

// header checks the version directive and blanks it, since the YAML package has its own opinion of
// which versions there are. Line numbers stay.
func (l *loader) header(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for at, line := 0, 1; at < len(data); line++ {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			end = len(data)
		} else {
			end += at
		}
		text := strings.TrimRight(string(data[at:end]), " \t\r")
		switch {
		case strings.HasPrefix(text, "%YAML"):
			version, _, _ := strings.Cut(strings.TrimSpace(text[len("%YAML"):]), " ")
			if version != "1.1" {
				return nil, l.errorf(line, "the YAML version must be 1.1, not %q", version)
			}
			out := bytes.Clone(data)
			for i := at; i < end; i++ {
				out[i] = ' '
			}
			return out, nil
		case text == "" || text[0] == '#' || text[0] == '%':
		default:
			l.warn(line, "a configuration should begin with the lines %%YAML 1.1 and ---")
			return data, nil
		}
		at = end + 1
	}
	return data, nil
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// decode returns the top node of the document, or nil if there is none.
func (l *loader) decode(data []byte) (top *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // the YAML package panics on some broken input
			top, err = nil, l.errorf(0, "cannot parse as YAML: %v", r)
		}
	}()
	var doc yaml.Node
	err = yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		line, text := 0, err.Error()
		if m := yamlError.FindStringSubmatch(strings.ReplaceAll(text, "\n", " ")); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		return nil, l.errorf(line, "%s", text)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

func isNull(y *yaml.Node) bool {
	if y.Kind != yaml.ScalarNode || y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false
	}
	switch y.Value {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// count bounds the size of a tree; aliases can multiply a small file.
func (l *loader) count(y *yaml.Node, depth int) error {
	if l.tree.nodes++; l.tree.nodes > maxNodes {
		return l.errorf(y.Line, "more than %d values", maxNodes)
	}
	if depth > maxDepth {
		return l.errorf(y.Line, "nested deeper than %d", maxDepth)
	}
	return nil
}

// mapping adds the keys of a YAML mapping to a node.
func (l *loader) mapping(into *Node, y *yaml.Node, depth int) error {
	if err := l.count(y, depth); err != nil {
		return err
	}
	seen := map[*Node]bool{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			return l.errorf(k.Line, "a key must be a plain word")
		}
		if k.Value == "include" {
			if err := l.includes(into, v, depth+1); err != nil {
				return err
			}
			continue
		}
		if k.Value == "" {
			l.warn(k.Line, "empty key")
			continue
		}
		n, err := l.key(into, k, seen)
		if err != nil {
			return err
		}
		if err := l.value(n, v, depth+strings.Count(k.Value, ".")+1); err != nil {
			return err
		}
	}
	return nil
}

// key returns the node for a key of a mapping, emptied if it was there before.
func (l *loader) key(into *Node, k *yaml.Node, seen map[*Node]bool) (*Node, error) {
	if len(k.Value) > maxPath {
		return nil, l.errorf(k.Line, "key is longer than %d characters", maxPath)
	}
	n := into
	if into.parent != nil && into.parent.list && !into.hasValue {
		into.set(mangle(k.Value))
		into.element = true
	}
	parts := strings.Split(k.Value, ".")
	for _, p := range parts {
		if p == "" {
			return nil, l.errorf(k.Line, "key %q has an empty part", k.Value)
		}
		name := n.mangle(p)
		if name != p {
			l.warn(k.Line, "%s is deprecated, use %s", p, name)
		}
		c := n.child(name)
		if c == nil {
			if err := l.count(k, 0); err != nil {
				return nil, err
			}
			c = n.add(&Node{name: name, file: l.name, line: k.Line})
		}
		n = c
	}
	if n.line > 0 && (n.line != k.Line || n.file != l.name) || seen[n] {
		if n.hasValue || len(n.children) > 0 || seen[n] {
			l.warn(k.Line, "%s is defined again, the value of %s is dropped", n.Path(), n.Pos())
		}
	}
	seen[n] = true
	if !n.final {
		n.prune()
		n.file, n.line = l.name, k.Line
	}
	return n, nil
}

// value gives a node its YAML value.
func (l *loader) value(n *Node, v *yaml.Node, depth int) error {
	if err := l.count(v, depth); err != nil {
		return err
	}
	switch v.Kind {
	case yaml.AliasNode:
		if v.Alias == nil || slices.Contains(l.aliases, v.Alias) {
			return l.errorf(v.Line, "alias %q contains itself", v.Value)
		}
		l.aliases = append(l.aliases, v.Alias)
		err := l.value(n, v.Alias, depth)
		l.aliases = l.aliases[:len(l.aliases)-1]
		return err
	case yaml.MappingNode:
		return l.mapping(n, v, depth)
	case yaml.SequenceNode:
		return l.sequence(n, v, depth)
	case yaml.ScalarNode:
		if v.Tag == "!include" {
			return l.include(n, v.Value, l.name, depth)
		}
		if !n.final && !isNull(v) {
			n.set(v.Value)
		}
	}
	return nil
}

// sequence adds the elements of a YAML list. Elements that --set made before keep what it set, and
// take the place that the file gives them.
func (l *loader) sequence(n *Node, y *yaml.Node, depth int) error {
	n.list = true
	before := n.children
	n.children, n.index = nil, nil
	for i, v := range y.Content {
		name := strconv.Itoa(i)
		var e *Node
		for _, c := range before {
			if c.name == name {
				e = c
				e.element = false
				if !e.final {
					e.value, e.hasValue = "", false
				}
			}
		}
		if e == nil {
			e = &Node{name: name, file: l.name, line: v.Line}
		}
		n.add(e)
		if err := l.value(e, v, depth+1); err != nil {
			return err
		}
	}
	for _, c := range before {
		if n.child(c.name) == nil {
			n.add(c)
		}
	}
	return nil
}

// includes carries out the value of an include key.
func (l *loader) includes(into *Node, v *yaml.Node, depth int) error {
	if err := l.count(v, depth); err != nil {
		return err
	}
	switch v.Kind {
	case yaml.ScalarNode:
		if isNull(v) {
			return l.errorf(v.Line, "include without a file name")
		}
		if err := l.include(into, v.Value, l.name, depth); err != nil {
			return fmt.Errorf("%s: include: %w", position(l.name, v.Line), err)
		}
		return nil
	case yaml.SequenceNode:
		for _, e := range v.Content {
			if e.Kind != yaml.ScalarNode {
				return l.errorf(e.Line, "include wants a file name or a list of them")
			}
			if isNull(e) {
				continue
			}
			if err := l.includes(into, e, depth); err != nil {
				return err
			}
		}
		return nil
	}
	return l.errorf(v.Line, "include wants a file name or a list of them")
}
