package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sentinel": main})
}

// TestScript runs the program as users do. In scripts $PCAPS, $RULES and $ETC are qa/pcaps, etc/rules and etc.
func TestScript(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PCAPS", filepath.Join(root, "qa", "pcaps"))
			e.Setenv("RULES", filepath.Join(root, "etc", "rules"))
			e.Setenv("ETC", filepath.Join(root, "etc"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"cut": cut,
		},
	})
}

// cut makes a file of the first bytes of another: cut SIZE FROM TO.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cut size from to")
	}
	n := 0
	for _, c := range args[0] {
		n = n*10 + int(c-'0')
	}
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if n > len(b) {
		ts.Fatalf("%s has only %d bytes", args[1], len(b))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b[:n], 0o600))
}
