package docs

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// block is a fenced block of a page: a file to write, a change to one, or commands to run.
type block struct {
	file string // "" for commands and illustrations
	kind string
	text string
	line int
}

var fileLine = regexp.MustCompile("^`([^`]+)`:$")

// blocks returns the fenced blocks of a page, in order.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	var b *block
	file := ""
	for i, line := range strings.Split(string(text), "\n") {
		switch fence, ok := strings.CutPrefix(line, "```"); {
		case ok && b == nil:
			b = &block{file: file, kind: fence, line: i + 1}
			file = ""
		case ok:
			out = append(out, *b)
			b = nil
		case b != nil:
			b.text += line + "\n"
		case strings.TrimSpace(line) != "":
			file = ""
			if m := fileLine.FindStringSubmatch(line); m != nil {
				file = m[1]
			}
		}
	}
	if b != nil {
		t.Fatalf("%s: the block of line %d has no end", page, b.line)
	}
	return out
}

// copyTree copies what a build needs into a folder.
func copyTree(t *testing.T, to string) {
	t.Helper()
	from, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch {
			case rel == ".":
				return nil
			case strings.HasPrefix(d.Name(), "."), rel == "bin", rel == "out", rel == filepath.Join("qa", "pcaps"):
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// change applies a diff without line numbers: each line to add goes behind the line of context before it.
func change(t *testing.T, path string, b block) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	context := ""
	for _, line := range strings.Split(strings.TrimRight(b.text, "\n"), "\n") {
		body := line[1:] + "\n"
		switch line[0] {
		case ' ':
			if bytes.Count(text, []byte(body)) != 1 {
				t.Fatalf("line %d: %q is not once in %s", b.line, body, b.file)
			}
			context = body
		case '+':
			text = bytes.Replace(text, []byte(context), []byte(context+body), 1)
			context = body
		default:
			t.Fatalf("line %d: %q is neither context nor added", b.line, line)
		}
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestAddingAProtocol does what the page adding-a-protocol.md says, in a copy of the tree.
func TestAddingAProtocol(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole engine anew: not with -short")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skipf("needs the go command: %v", err)
	}
	dir := t.TempDir()
	copyTree(t, dir)
	commands := 0
	for _, b := range blocks(t, "adding-a-protocol.md") {
		path := filepath.Join(dir, filepath.FromSlash(b.file))
		switch {
		case b.file != "" && b.kind == "diff":
			change(t, path, b)
		case b.file != "":
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
		case b.kind == "sh":
			commands++
			start := time.Now()
			cmd := exec.Command("sh", "-e")
			cmd.Dir = dir
			cmd.Stdin = strings.NewReader(b.text)
			cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, ".cache"), "GOCACHE="+goEnv(t, "GOCACHE"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("the commands of line %d: %v\n%s", b.line, err, out)
			}
			t.Logf("the commands of line %d took %v", b.line, time.Since(start).Round(time.Millisecond))
		case b.kind == "json":
			events, err := os.ReadFile(filepath.Join(dir, "eve.json"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(events, []byte(strings.TrimSpace(b.text))) {
				t.Errorf("line %d: eve.json has nothing like %s\n%s", b.line, b.text, events)
			}
		}
	}
	if commands < 2 {
		t.Errorf("the page has only %d blocks of commands", commands)
	}
	for _, f := range goFiles(t, filepath.Join(dir, "stream", "app", "fortune")) {
		out, err := exec.Command("gofmt", "-l", f).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("not formatted by gofmt: %s %v", out, err)
		}
	}
}

func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	return files
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
