package sentinel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

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
	b.OpenArray("engines")
	b.StartObject()
	b.Uint("id", 0)
	b.String("last_reload", l.When.Format("2006-01-02T15:04:05.000000-0700"))
	b.Uint("rules_loaded", uint64(l.Rules))
	b.Uint("rules_failed", uint64(l.Failed))
	b.Uint("rules_skipped", uint64(l.Skipped))
	b.Close()
	b.Close()
}

// RulesError says that rules were refused where that is fatal. What is wrong with each was logged already.
type RulesError struct {
	Refused []string // one text a rule: "file:line: keyword: reason"
}

// Error returns one line a rule.
func (e *RulesError) Error() string {
	return "Loading signatures failed.\n" + strings.Join(e.Refused, "\n")
}

// refusal returns an error as one about a rule.
func refusal(err error) *rules.Error {
	var re *rules.Error
	if errors.As(err, &re) {
		return re
	}
	return &rules.Error{Reason: err.Error()}
}

// reportRefused logs why a rule was refused, and then which, as Suricata does: scripts look for these lines, and count them.
func (e *Engine) reportRefused(err *rules.Error) {
	e.sayOfRule(e.log.Error(), err)
	e.log.Error().Str("module", "detect").Msgf("error parsing signature \"%s\" from file %s at line %d", err.Raw, err.File, err.Line)
}

// sayOfRule logs a message about a rule, under the name of the keyword. Where the rule is stands beside it: text outputs write
// "file:line: keyword: reason".
func (e *Engine) sayOfRule(x *zerolog.Event, err *rules.Error) {
	module := "detect"
	switch {
	case err.Keyword == "decode-event": // the one that is known to be looked for by this name
	case err.Keyword != "":
		module += "-" + err.Keyword
	case err.Raw != "":
		module += "-parse"
	}
	if err.File != "" && module != "detect" {
		place := fmt.Sprintf("%s:%d", err.File, err.Line)
		if err.Keyword != "" {
			place += ": " + err.Keyword
		}
		x = x.Str("place", place)
	}
	x.Str("module", module).Msg(err.Reason)
}

// features are the names that the keyword requires may ask for.
func (e *Engine) features() map[string]bool {
	root := e.tree.Root()
	f := map[string]bool{}
	for _, n := range [...]string{"ja3", "ja4"} {
		// The default is to make fingerprints when rules ask for them.
		f[n] = !root.Get("app-layer.protocols.tls." + n + "-fingerprints").IsFalse()
	}
	for name, n := range root.Get("outputs").Entries() {
		if name == "file-store" && n.Get("enabled").IsTrue() {
			f["output::file-store"] = true
		}
	}
	return f
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
	e.reloadEarly()
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
	bad := func(err error) {
		re := refusal(err)
		l.Failed++
		l.ByWord[re.Keyword]++
		l.Errors = append(l.Errors, err.Error())
		e.reportRefused(re)
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
			bad(err)
		}
	}
	if e.opt.Rules != "" {
		rs, errs := rules.Parse(strings.NewReader(e.opt.Rules), "rules")
		list = append(list, rs...)
		for _, err := range errs {
			bad(err)
		}
	}
	cfg, errs := e.detectConfig()
	for _, err := range errs {
		e.log.Warn().Msg(err.Error())
	}
	for _, f := range cfg.broken {
		for _, err := range f.errs {
			e.log.Error().Str("module", f.module).Msg(err.Error())
		}
		e.log.Warn().Str("module", f.module).Msgf("Error loading %s configuration from %s", f.what, f.path)
		if e.opt.Test {
			fatal = append(fatal, fmt.Errorf("%s: not a valid %s file", f.path, f.what))
		}
	}
	cfg.Reputation, errs = e.reputation()
	for _, err := range errs {
		e.log.Error().Str("module", "reputation").Msg(err.Error())
	}
	cfg.Datasets = e.datasets
	e.datasets.Forget()
	e.gen++
	cfg.Generation = e.gen
	rs, refused := detect.Compile(cfg.Config, list)
	for _, err := range refused {
		bad(err)
	}
	if rs == nil {
		return errors.Join(append(fatal, errors.New("no ruleset could be made"))...)
	}
	l.Rules = rs.Total - rs.FailedRules - rs.Skipped
	l.Skipped = rs.Skipped
	for _, err := range rs.Warnings {
		e.sayOfRule(e.log.Warn(), refusal(err))
	}
	for _, text := range rs.Notes {
		e.log.Log().Str("module", "detect-dataset").Msg(text)
	}
	for _, err := range rs.Why {
		e.sayOfRule(e.log.Info(), refusal(err))
	}
	l.Took, l.When = time.Since(start), time.Now()
	if e.opt.Strict && (l.Failed > 0 || len(fatal) > 0) {
		e.reportRules(l)
		return errors.Join(append(fatal, &RulesError{l.Errors})...)
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

// matcher chooses the pattern matcher: mpm-algo hs or auto means Hyperscan where it is built in.
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

// ruleConfig is what detection takes from the configuration, and the files beside the rules in which something is wrong.
type ruleConfig struct {
	detect.Config
	broken []brokenFile
}

type brokenFile struct {
	module, what, path string
	errs               []error
}

// detectConfig reads what detection takes from the configuration.
func (e *Engine) detectConfig() (ruleConfig, []error) {
	root := e.tree.Root()
	r := &reader{root: root}
	c := detect.Config{
		Registry: e.reg, Keywords: keyword.All(), Vars: e.set.vars, Engine: e.matcher(), IPS: e.ips, Names: e.names,
		PacketAlertMax:     int(r.int("packet-alert-max", 15, 0, 255)),
		MaxFlowbits:        int(r.int("detect.flowbits.max-per-signature", 10, 1, 1<<16)),
		RecursionLimit:     int(r.int("detect.inspection-recursion-limit", 3000, 0, 1<<30)),
		PCREMatchLimit:     int(r.int("pcre.match-limit", 3500, 1, 1<<30)),
		PCRERecursionLimit: int(r.int("pcre.match-limit-recursion", 1500, 1, 1<<30)),
		GuessAppTx:         r.bool("detect.guess-applayer-tx", false),
		GuessAppTxLimit:    int(r.int("detect.stream-tx-log-limit", 4, 1, 1<<16)),
		PrefilterAuto:      root.Get("detect.prefilter.default").Str("mpm") == "auto",
		FileStore:          e.out.Stores(),
		StrictRuleKeywords: e.opt.StrictKeywords != "",
		ActionOrder:        e.set.actionOrder,
		RulePath:           root.Get("default-rule-path").Str(""),
		Features:           e.features(),
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
	var broken []brokenFile
	check := func(what, path string, more []error) {
		if len(more) > 0 {
			broken = append(broken, brokenFile{what + "-config", what, path, more})
		}
	}
	in, name := read("classification-file", etc.Classification)
	var more []error
	c.Classes, more = detect.ParseClasses(in, name)
	check("classification", name, more)
	in, name = read("reference-config-file", etc.Reference)
	c.References, more = detect.ParseReferences(in, name)
	check("reference", name, more)
	in, name = read("threshold-file", etc.Threshold)
	c.Thresholds, more = detect.ParseThresholds(in, name, e.set.vars)
	check("threshold", name, more)
	return ruleConfig{c, broken}, append(errs, r.errs...)
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
