package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the module's path; the root package has it too.
const module = "sentinel"

// rule says what the packages of a folder may import of the project. A pattern that ends in /... means the folder and all
// below it. The first rule whose folder fits a package counts, so the narrow ones come first.
type rule struct {
	folder  string
	imports []string
}

// leaves are small packages that know nothing of the domain; everyone may use them.
var leaves = []string{"internal/..."}

// rules is the allow-list. A package that no rule names fails the test: say what it may know before it is written.
var rules = []rule{
	// The engine as a library sees every list.
	{".", []string{"capture/...", "decode", "stream/...", "detect/...", "rules/...", "bypass/...", "eve/...", "etc"}},
	// The command runs the engine through the root package only.
	{"cmd/...", []string{".", "capture/...", "rules/update/...", "eve", "etc"}},

	{"capture", nil},
	{"capture/pcaplive", []string{"capture", "capture/filter", "capture/afpacket"}},
	{"capture/...", []string{"capture", "capture/filter"}},
	{"decode", []string{"capture"}},

	{"stream/flow", []string{"decode"}},
	{"stream/defrag", []string{"decode"}},
	{"stream/file", nil},
	{"stream/tcp", []string{"decode", "stream/flow"}},
	// Protocols know the contract, and what protocols share: never detection, output or each other.
	{"stream/app", []string{"stream/flow", "stream/file"}},
	{"stream/app/all", []string{"stream/app/..."}},
	{"stream/app/internal/...", []string{"stream/app", "stream/file", "stream/flow"}},
	{"stream/app/...", []string{"stream/app", "stream/app/internal/...", "stream/file", "stream/flow"}},
	{"stream", []string{"capture", "decode", "rules", "stream/flow", "stream/tcp", "stream/defrag", "stream/file", "stream/app"}},

	{"rules", nil},
	{"rules/update/...", []string{"rules"}},

	{"detect/pcre", nil},
	{"detect/mpm", nil},
	{"detect/mpm/...", []string{"detect/mpm"}},
	{"detect/chain", []string{"detect/pcre"}},
	{"detect/transform", []string{"detect/pcre"}},
	{"detect/dataset", nil},
	{"detect/iprep", nil},
	{"detect/geoip", nil},
	{"detect/magic", nil},
	{"detect/lua", nil},
	{"detect/analysis", []string{"detect", "detect/chain", "rules", "stream/app"}},
	{"detect/keyword", []string{"capture", "decode", "detect", "detect/chain", "detect/pcre", "detect/dataset", "detect/geoip", "detect/iprep", "detect/lua",
		"rules", "stream", "stream/app", "stream/file", "stream/flow", "stream/tcp"}},
	{"detect", []string{"decode", "detect/chain", "detect/mpm", "detect/pcre", "detect/transform", "detect/dataset", "detect/geoip", "detect/iprep", "rules",
		"stream", "stream/app", "stream/file", "stream/flow", "stream/tcp"}},

	{"bypass", []string{"stream/flow"}},
	{"bypass/...", []string{"bypass", "capture", "decode", "stream/flow"}},

	{"eve/sink", nil},
	{"eve", []string{"capture", "decode", "detect", "eve/sink", "rules", "stream", "stream/app", "stream/file", "stream/flow", "stream/tcp"}},

	{"etc", nil},
	{"docs", nil},
	{"internal/counter", []string{"internal/jsonw"}},
	{"internal/affinity", []string{"internal/cpulist"}},
	{"internal/machine", []string{"internal/cpulist"}},
	{"internal/...", nil},
	{"qa/...", []string{".", "capture/...", "etc"}},
}

// cgoFolders are the only places where C may be called; each has a twin in plain Go.
var cgoFolders = []string{"detect/mpm/hyperscan", "detect/pcre", "detect/magic", "capture/dpdk", "bypass/rteflow"}

// source is one Go file of the tree.
type source struct {
	folder string // from the root, "." for the root itself
	name   string
	test   bool
	file   *ast.File
	fset   *token.FileSet
}

func tree(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			name := d.Name()
			if rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "out") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := "."
		if i := strings.LastIndexByte(rel, '/'); i >= 0 {
			folder = rel[:i]
		}
		all = append(all, source{folder, rel, strings.HasSuffix(rel, "_test.go"), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d files found: the test looks at the wrong place", len(all))
	}
	return all
}

// fits reports whether a folder is what a pattern means.
func fits(pattern, folder string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return folder == base || strings.HasPrefix(folder, base+"/")
	}
	return pattern == folder
}

func ruleOf(folder string) *rule {
	for i := range rules {
		if fits(rules[i].folder, folder) {
			return &rules[i]
		}
	}
	return nil
}

func (r *rule) allows(folder string) bool {
	means := func(pattern string) bool { return fits(pattern, folder) }
	// Leaves do not know each other, unless a rule says so.
	return slices.ContainsFunc(r.imports, means) || !strings.HasPrefix(r.folder, "internal/") && slices.ContainsFunc(leaves, means)
}

// local returns the folder that an import path of the project means.
func local(path string) (folder string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestImports(t *testing.T) {
	for _, s := range tree(t) {
		r := ruleOf(s.folder)
		if r == nil {
			t.Errorf("%s: no rule says what the folder %s may import: add one to qa/arch", s.name, s.folder)
			continue
		}
		if s.test {
			continue // tests may know more, as long as the compiler finds no cycle
		}
		for _, im := range s.file.Imports {
			path, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			folder, ok := local(path)
			if ok && folder != s.folder && !r.allows(folder) {
				t.Errorf("%s: %s must not import %s (rule for %s in qa/arch)", s.fset.Position(im.Pos()), s.folder, folder, r.folder)
			}
		}
	}
}

// The rules hold the tree's promises, whatever is added to them.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"stream/app/dns", "detect", false},
		{"stream/app/dns", "eve", false},
		{"stream/app/dns", "stream/app/http1", false},
		{"stream/app/dns", "stream", false},
		{"stream/app/dns", "stream/app", true},
		{"stream/app/dns", "internal/jsonw", true},
		{"decode", "stream", false},
		{"decode", "capture", true},
		{"capture/pcapfile", "decode", false},
		{"capture/pcapfile", "capture/afpacket", false},
		{"stream/tcp", "stream", false},
		{"stream", "detect", false},
		{"stream", "stream/app/all", false},
		{"detect", "eve", false},
		{"detect", "detect/keyword", false},
		{"eve", "detect/keyword", false},
		{"eve", "stream/app/all", false},
		{"cmd/sentinel", "detect", false},
		{"cmd/sentinel", "stream", false},
		{"cmd/sentinel", ".", true},
		{"internal/conf", "decode", false},
		{"internal/conf", "internal/mem", false},
		{".", "stream/app/all", true},
		{".", "detect/keyword", true},
	} {
		r := ruleOf(c.from)
		if r == nil {
			t.Fatalf("no rule for %s", c.from)
		}
		if got := r.allows(c.to); got != c.want {
			t.Errorf("%s may import %s: %v", c.from, c.to, got)
		}
	}
}

// Only the lists of the root package's making see all things of a kind.
func TestListsAreSeenFromTheRootOnly(t *testing.T) {
	lists := []string{"stream/app/all", "detect/keyword"}
	for _, s := range tree(t) {
		if s.test || s.folder == "." {
			continue
		}
		for _, im := range s.file.Imports {
			path, _ := strconv.Unquote(im.Path.Value)
			if folder, ok := local(path); ok && slices.Contains(lists, folder) {
				t.Errorf("%s: only the root package may import %s", s.name, folder)
			}
		}
	}
}

func TestCgo(t *testing.T) {
	for _, s := range tree(t) {
		for _, im := range s.file.Imports {
			if im.Path.Value == `"C"` && !slices.Contains(cgoFolders, s.folder) {
				t.Errorf("%s: cgo is allowed in %s only", s.name, strings.Join(cgoFolders, ", "))
			}
		}
	}
}

func TestNothingRegistersItself(t *testing.T) {
	for _, s := range tree(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: there is no init(): put the thing into its list", s.fset.Position(f.Pos()))
			}
		}
	}
}

// unsafe is kept to files that say so in their name.
func TestUnsafe(t *testing.T) {
	for _, s := range tree(t) {
		for _, im := range s.file.Imports {
			fine := slices.Contains(cgoFolders, s.folder)
			if im.Path.Value == `"unsafe"` && !fine && !strings.Contains(s.name, "_unsafe") && !s.test {
				t.Errorf("%s: unsafe belongs into a file *_unsafe.go", s.name)
			}
		}
	}
}

func TestEachPackageIsDescribed(t *testing.T) {
	folders := map[string]bool{}
	for _, s := range tree(t) {
		if s.test {
			continue
		}
		folders[s.folder] = folders[s.folder] || s.file.Doc != nil
	}
	for f, ok := range folders {
		if !ok {
			t.Errorf("%s: no package comment: add a doc.go that says what it does, and what it must not know", f)
		}
	}
}

func TestNames(t *testing.T) {
	for _, s := range tree(t) {
		switch base := s.folder[strings.LastIndexByte(s.folder, '/')+1:]; base {
		case "util", "utils", "common", "helpers", "types", "misc":
			t.Errorf("%s: %q says nothing: name the package after what is in it", s.folder, base)
		}
	}
}
