//go:build dpdk && cgo

package dpdk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/internal/conf"
)

// DPDK starts once in a process, so each test that needs it runs in one of its own: child runs this very test there, and returns
// whether this is the child.
func child(t *testing.T, env ...string) bool {
	t.Helper()
	const mark = "SENTINEL_DPDK_CHILD"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.count=1")
	cmd.Env = append(append(os.Environ(), mark+"="+t.Name()), env...)
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("in a process of its own: %s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("in a process of its own the test did not run:\n%s", out)
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
	return false
}

// testLog keeps what a driver says.
type testLog struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

func (l *testLog) add(level, f string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.b, level+": "+f+"\n", a...)
}

func (l *testLog) Infof(f string, a ...any) { l.add("info", f, a...) }
func (l *testLog) Warnf(f string, a ...any) { l.add("warning", f, a...) }

func (l *testLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *testLog) has(t *testing.T, what string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(l.text(), what) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("the log does not say %q:\n%s", what, l.text())
			return
		}
	}
}

// target is interface name of a configuration.
func target(t testing.TB, text, name string) *capture.Target {
	t.Helper()
	tree, _, err := conf.Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own, def := tree.Get("dpdk.interfaces").Interface(name)
	return &capture.Target{Name: name, Root: tree.Root(), Own: own, Shared: def, Auto: 2, Index: 3}
}

// start opens an interface of a configuration whose eal-params are without huge pages and PCI.
func start(t *testing.T, text string, names ...string) ([][]capture.Source, *testLog) {
	t.Helper()
	log := &testLog{t: t}
	var all [][]capture.Source
	for _, name := range names {
		g := target(t, text, name)
		g.Log = log
		sources, err := Driver.Open(g)
		if err != nil {
			t.Fatalf("%v\n%s", err, log.text())
		}
		t.Cleanup(func() {
			for _, s := range sources {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if t.Failed() {
				t.Log(log.text())
			}
		})
		all = append(all, sources)
	}
	return all, log
}

// params are eal-params for tests: nothing of the machine is touched.
const params = `
dpdk:
  eal-params:
    no-huge:
    no-pci:
    no-shconf:
    no-telemetry:
`
