package sentinel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sentinel/detect"
	"sentinel/detect/keyword"
	"sentinel/detect/mpm"
	"sentinel/detect/mpm/ac"
	"sentinel/detect/mpm/hyperscan"
	"sentinel/etc"
	"sentinel/internal/jsonw"
	"sentinel/rules"
	"sentinel/stream/file"
)

// Loaded tells what came of the rules.
type Loaded struct {
	Files   int            // rule files read
	Rules   int            // rules that are run
	Failed  int            // rules that were refused
	Skipped int            // rules whose requirements are not met here
	ByWord  map[string]int // refused rules by the keyword that is to blame; "" = the rule's form
	Errors  []string       // one text a refused rule
	Took    time.Duration
	When    time.Time
}

// engines writes what stats events say of the loaded rules.
func (e *Engine) engines(b *jsonw.Builder) {
	l := e.loaded.Load()
	if l == nil {
		return
	}
	b.StartObject()
	b.Uint("id", 0)
	b.String("last_reload", l.When.Format("2006-01-02T15:04:05.000000-0700"))
	b.Uint("rules_loaded", uint64(l.Rules))
	b.Uint("rules_failed", uint64(l.Failed))
	b.Uint("rules_skipped", uint64(l.Skipped))
	b.Close()
}

// Loaded returns what came of the last load or reload.
func (e *Engine) Loaded() Loaded {
	if l := e.loaded.Load(); l != nil {
		return *l
	}
	return Loaded{}
}

// Reload reads the rule files again and lets all workers move over between two packets. Flows keep their state. When it
// fails, the rules that are running go on.
func (e *Engine) Reload() error {
	if !e.detects {
		return errors.New("detection is switched off: there are no rules to reload")
	}
	return e.load()
}

// load reads and compiles the rules, and makes them the running ones.
func (e *Engine) load() error {
	e.reloads.Lock()
	defer e.reloads.Unlock()
	start := time.Now()
	l := &Loaded{ByWord: map[string]int{}}
	var list []rules.Rule
	var fatal []error
	bad := func(word, text string) {
		l.Failed++
		l.ByWord[word]++
		l.Errors = append(l.Errors, text)
		e.log.Error().Msg(text)
	}
	files := e.opt.RuleFiles
	if files == nil {
		var errs []error
		files, errs = ruleFiles(e.tree.Root())
		for _, err := range errs {
			e.log.Warn().Msg(err.Error())
			if e.opt.Strict {
				fatal = append(fatal, err)
			}
		}
	}
	files = append(files[:len(files):len(files)], e.opt.MoreRuleFiles...)
	for _, f := range files {
		rs, errs := rules.ParseFile(f)
		l.Files++
		list = append(list, rs...)
		for _, err := range errs {
			if err.Line == 0 { // the file itself
				fatal = append(fatal, err)
				e.log.Error().Msg(err.Error())
				continue
			}
			bad(err.Keyword, err.Error())
		}
	}
	if e.opt.Rules != "" {
		rs, errs := rules.Parse(strings.NewReader(e.opt.Rules), "rules")
		list = append(list, rs...)
		for _, err := range errs {
			bad(err.Keyword, err.Error())
		}
	}
	cfg, errs := e.detectConfig()
	for _, err := range errs {
		e.log.Warn().Msg(err.Error())
	}
	e.gen++
	cfg.Generation = e.gen
	rs, refused := detect.Compile(cfg, list)
	for _, err := range refused {
		word := ""
		var re *rules.Error
		if errors.As(err, &re) {
			word = re.Keyword
		}
		bad(word, err.Error())
	}
	if rs == nil {
		return errors.Join(append(fatal, errors.New("no ruleset could be made"))...)
	}
	l.Rules = rs.Total - rs.FailedRules - rs.Skipped
	l.Skipped = rs.Skipped
	for _, err := range rs.Warnings {
		e.log.Warn().Msg(err.Error())
	}
	l.Took, l.When = time.Since(start), time.Now()
	if e.opt.Strict && (l.Failed > 0 || len(fatal) > 0) {
		return errors.Join(append(fatal, fmt.Errorf("%d rules were refused", l.Failed))...)
	}
	if len(fatal) > 0 && e.opt.RuleFiles != nil && l.Rules == 0 {
		return errors.Join(fatal...)
	}
	e.loaded.Store(l)
	e.install(rs)
	return nil
}

// install makes a ruleset the running one.
func (e *Engine) install(rs *detect.Ruleset) {
	e.users.Lock()
	defer e.users.Unlock()
	old := e.ruleset.Swap(rs)
	if old != nil && e.using[old] == 0 {
		old.Close()
	}
}

// take lets a worker use the running ruleset until release. A ruleset that is not the running one and that nobody uses any more
// gives its memory back.
func (e *Engine) take() *detect.Ruleset {
	e.users.Lock()
	defer e.users.Unlock()
	rs := e.ruleset.Load()
	if rs != nil {
		e.using[rs]++
	}
	return rs
}

// release ends a worker's use of a ruleset.
func (e *Engine) release(rs *detect.Ruleset) {
	if rs == nil {
		return
	}
	e.users.Lock()
	defer e.users.Unlock()
	if e.using[rs]--; e.using[rs] > 0 {
		return
	}
	delete(e.using, rs)
	if e.ruleset.Load() != rs {
		rs.Close()
	}
}

// newEngine chooses the pattern matcher: mpm-algo hs or auto means Hyperscan where it is built in.
func (e *Engine) matcher() mpm.Engine {
	algo := e.tree.Get("mpm-algo").Str("auto")
	if hyperscan.Available && algo != "ac" && !strings.HasPrefix(algo, "ac-") {
		hs, err := hyperscan.New()
		if err == nil {
			return hs
		}
		e.log.Warn().Msgf("cannot use Hyperscan: %v; the built-in matcher is used", err)
	}
	return ac.New()
}

// detectConfig reads what detection takes from the configuration.
func (e *Engine) detectConfig() (detect.Config, []error) {
	root := e.tree.Root()
	r := &reader{root: root}
	c := detect.Config{
		Registry: e.reg, Keywords: keyword.All(), Vars: e.set.vars, Engine: e.matcher(), IPS: e.ips, Names: e.names,
		PacketAlertMax:     int(r.int("packet-alert-max", 15, 0, 255)),
		RecursionLimit:     int(r.int("detect.inspection-recursion-limit", 3000, 0, 1<<30)),
		PCREMatchLimit:     int(r.int("pcre.match-limit", 3500, 1, 1<<30)),
		PCRERecursionLimit: int(r.int("pcre.match-limit-recursion", 1500, 1, 1<<30)),
		GuessAppTx:         r.bool("detect.guess-applayer-tx", false),
		GuessAppTxLimit:    int(r.int("detect.stream-tx-log-limit", 4, 1, 1<<16)),
		PrefilterAuto:      root.Get("detect.prefilter.default").Str("mpm") == "auto",
		FileStore:          e.out.Stores(),
		StrictRuleKeywords: e.opt.StrictKeywords != "",
		MaxFlowbits:        int(r.int("detect.flowbits.max-per-signature", 10, 1, 1<<16)),
		ActionOrder:        e.set.actionOrder,
		RulePath:           root.Get("default-rule-path").Str(""),
	}
	if d := e.cacheDir(); d != "" && !root.Get("detect.sgh-mpm-caching").IsFalse() {
		c.Cache = &mpm.Cache{Dir: d}
	}
	if c.RecursionLimit == 0 {
		c.RecursionLimit = -1
	}
	var errs []error
	read := func(key string, fallback []byte) (io.Reader, string) {
		path := root.Get(key).Str("")
		if path != "" {
			b, err := os.ReadFile(path)
			if err == nil {
				return bytes.NewReader(b), path
			}
			if e.opt.ConfigFile != "" {
				errs = append(errs, fmt.Errorf("cannot open %s: %w; the built-in one is used", key, err))
			}
		}
		return bytes.NewReader(fallback), "built-in " + key
	}
	var more []error
	c.Classes, more = detect.ParseClasses(read("classification-file", etc.Classification))
	errs = append(errs, more...)
	c.References, more = detect.ParseReferences(read("reference-config-file", etc.Reference))
	errs = append(errs, more...)
	in, name := read("threshold-file", etc.Threshold)
	c.Thresholds, more = detect.ParseThresholds(in, name, e.set.vars)
	errs = append(errs, more...)
	return c, append(errs, r.errs...)
}

// ruleFileFlags is what rules need to know of files.
func ruleFileFlags(rs *detect.Ruleset) file.Flags {
	var f file.Flags
	md5, sha1, sha256, magic, _ := rs.NeedsOfFiles()
	for _, n := range []struct {
		need bool
		flag file.Flags
	}{{md5, file.WantMD5}, {sha1, file.WantSHA1}, {sha256, file.WantSHA256}, {magic, file.WantMagic}} {
		if n.need {
			f |= n.flag
		}
	}
	return f
}
