package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var pages = []string{"../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md", "../qa/verify/README.md", "../qa/pcaps/README.md",
	"architecture.md", "adding-a-protocol.md", "af-packet.md", "af-xdp.md", "bypass.md", "command-line.md", "configuration.md", "conformance.md",
	"control-socket.md", "daemon.md", "dpdk.md", "engine-analysis.md", "frames.md", "inline.md", "interfaces-and-doctor.md", "keywords.md",
	"measuring.md", "multi-tenancy.md", "nfqueue.md", "performance.md"}

var link = regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)

// TestLinks follows the links of all pages to files of the project.
func TestLinks(t *testing.T) {
	for _, p := range pages {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
	}
}

var quoted = regexp.MustCompile("`((?:[a-z0-9]+/)+[a-zA-Z0-9_.-]*)`")

// TestFiles looks for the files and folders that the architecture page names.
func TestFiles(t *testing.T) {
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	found := quoted.FindAllStringSubmatch(string(text), -1)
	if len(found) < 10 {
		t.Fatalf("only %d paths found", len(found))
	}
	for _, m := range found {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("architecture.md: %v", err)
		}
	}
}

// local is a command that needs no root, no interface and no files but the project's.
func local(line string) bool {
	if !strings.HasPrefix(line, "bin/sentinel ") {
		return false
	}
	for _, s := range []string{"--af-packet", "/etc/", "today.pcap"} {
		if strings.Contains(line, s) {
			return false
		}
	}
	return true
}

// TestCommands runs the commands of the pages that can be run anywhere.
func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program: not with -short")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skipf("needs the go command: %v", err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "sentinel"), "./cmd/sentinel")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"qa", "etc"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, p := range pages {
		if filepath.Base(p) == "adding-a-protocol.md" {
			continue // has a test of its own
		}
		for _, b := range blocks(t, p) {
			if b.kind != "sh" {
				continue
			}
			for _, line := range strings.Split(b.text, "\n") {
				if !local(line) {
					continue
				}
				ran++
				cmd := exec.Command("sh", "-c", line)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, ".cache"))
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v\n%s", p, line, err, out)
				}
			}
		}
	}
	if ran < 8 {
		t.Errorf("only %d commands found", ran)
	}
}
