package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

func main() {
	s := &suite{out: os.Stdout, progress: os.Stderr}
	shared := flag.String("shared", "../shared", "folder with conformance/, traces/ and rules/")
	flag.IntVar(&s.every, "every", 1, "run every n-th capture")
	flag.IntVar(&s.offset, "offset", 0, "begin with this one")
	flag.StringVar(&s.only, "only", "", "run captures whose path contains this")
	flag.IntVar(&s.sample, "sample", 11, "load every n-th rule of the rule file")
	flag.IntVar(&s.workers, "workers", 4, "workers of autofp")
	flag.IntVar(&s.reloads, "reloads", 20, "reload in the middle of every n-th capture with sampled rules, and of all cases")
	flag.IntVar(&s.together, "together", 16, "besides, read so many captures with sampled rules at once; 0 = none")
	flag.IntVar(&s.damage, "damage", 0, "damage one frame in `n`")
	flag.Uint64Var(&s.seed, "seed", 1, "for another damage")
	flag.BoolVar(&s.ips, "ips", false, "judge as if inline")
	flag.DurationVar(&s.limit, "limit", 2*time.Minute, "time for one run of one capture")
	flag.Uint64Var(&s.memory, "memory", 3<<30, "bytes the process may grow to")
	flag.Parse()
	if err := s.load(*shared); err != nil {
		fmt.Fprintf(os.Stderr, "robust: %v\n", err)
		os.Exit(2)
	}
	s.run()
	s.report()
	if len(s.findings) > 0 {
		os.Exit(1)
	}
}

// suite is all captures with how they are run, and what was found.
type suite struct {
	out, progress  io.Writer
	every, offset  int
	only           string
	sample         int
	workers        int
	reloads        int
	together       int
	ips            bool
	damage         int
	seed           uint64
	limit          time.Duration
	memory         uint64
	groups         []group
	runs, captures int
	frames         uint64
	alerts, events int
	reloaded       int
	peak           uint64
	findings       []finding
	ordered        []finding // differences that the order of flows explains
}

// group is captures that are run with the same rules and configuration.
type group struct {
	config   string   // file; "" = built in
	set      []string // options of --set
	ips      bool
	rules    []string
	captures []string
	reload   int  // in the middle of every n-th capture
	together int  // captures that are read at once in a run of their own
	order    bool // rules share something among flows: what they alert on depends on the order in which flows are judged
}

// finding is something that must not be.
type finding struct{ capture, what string }

// load lists the captures below the shared folder.
func (s *suite) load(shared string) error {
	rules, err := s.sampleRules(filepath.Join(shared, "rules", "et-open.rules"))
	if err != nil {
		return err
	}
	traces := group{rules: []string{rules}, reload: s.reloads, ips: s.ips, together: s.together}
	cases := map[string]*group{}
	var order []string
	n := 0
	for _, dir := range []string{"traces", "conformance"} {
		err := filepath.WalkDir(filepath.Join(shared, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if ext := filepath.Ext(path); ext != ".pcap" && ext != ".pcapng" || !strings.Contains(path, s.only) {
				return nil
			}
			if n++; (n-1+s.every-s.offset%s.every)%s.every != 0 {
				return nil
			}
			folder := filepath.Dir(path)
			if _, err := os.Stat(filepath.Join(folder, "test.yaml")); err != nil {
				traces.captures = append(traces.captures, path)
				return nil
			}
			g := cases[folder]
			if g == nil {
				g = s.caseGroup(folder)
				cases[folder] = g
				order = append(order, folder)
			}
			g.captures = append(g.captures, path)
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.groups = append(s.groups, traces)
	for _, folder := range order {
		s.groups = append(s.groups, *cases[folder])
	}
	return nil
}

// caseGroup reads how a case is run. Only what matters for robustness is taken from its test.yaml.
func (s *suite) caseGroup(folder string) *group {
	g := &group{reload: 1, ips: s.ips}
	if c := filepath.Join(folder, "suricata.yaml"); exists(c) {
		g.config = c
	}
	if r := filepath.Join(folder, "test.rules"); exists(r) {
		g.rules = []string{r}
		text, _ := os.ReadFile(r)
		for _, word := range []string{"xbits:", "hostbits:", "threshold:", "detection_filter:", "dataset:"} {
			g.order = g.order || strings.Contains(string(text), word)
		}
	}
	b, _ := os.ReadFile(filepath.Join(folder, "test.yaml"))
	words := strings.Fields(strings.ReplaceAll(string(b), "${TEST_DIR}", folder))
	for i, w := range words {
		switch {
		case w == "--simulate-ips":
			g.ips = true
		case w == "--set" && i+1 < len(words) && strings.Contains(words[i+1], "="):
			g.set = append(g.set, strings.Trim(words[i+1], `"'`))
		}
	}
	return g
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sampleRules writes every n-th rule of a file into another one.
func (s *suite) sampleRules(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil || s.sample <= 1 {
		return path, err
	}
	var out strings.Builder
	n := 0
	for _, line := range strings.SplitAfter(string(b), "\n") {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if n++; n%s.sample == 1 {
			out.WriteString(line)
		}
	}
	name := filepath.Join(os.TempDir(), fmt.Sprintf("robust-%d.rules", os.Getpid()))
	return name, os.WriteFile(name, []byte(out.String()), 0o600)
}

// report prints what was found.
func (s *suite) report() {
	sort.Slice(s.findings, func(i, j int) bool { return s.findings[i].capture < s.findings[j].capture })
	for _, f := range s.findings {
		fmt.Fprintf(s.out, "FOUND %s: %s\n", f.capture, f.what)
	}
	for _, f := range s.ordered {
		fmt.Fprintf(s.out, "ORDER %s: %s\n", f.capture, f.what)
	}
	fmt.Fprintf(s.out, "%d captures, %d runs, %d frames, %d alerts and %d events of one worker, %d reloads, peak %d MiB: %d findings, %d by order\n",
		s.captures, s.runs, s.frames, s.alerts, s.events, s.reloaded, s.peak>>20,
		len(s.findings), len(s.ordered))
}
