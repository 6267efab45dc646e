package sentinel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sentinel/detect"
	"sentinel/detect/keyword"
	"sentinel/detect/magic"
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
	Refused []*rules.Error // the same
	Took    time.Duration
	When    time.Time
}

// engines writes what stats events say of the loaded rules.
func (e *Engine) engines(b *jsonw.Builder) {
	all := e.allLoaded()
	if all == nil {
		return
	}
	b.OpenArray("engines")
	for _, x := range all {
		l := x.loaded
		b.StartObject()
		b.Uint("id", uint64(x.id))
		b.String("last_reload", reloadStamp(l.When))
		b.Uint("rules_loaded", uint64(l.Rules))
		b.Uint("rules_failed", uint64(l.Failed))
		b.Uint("rules_skipped", uint64(l.Skipped))
		b.Close()
	}
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
	if err := e.load(); err != nil {
		return err
	}
	err := e.reloadTenants()
	e.giveBack()
	return err
}

// giveBack returns the memory of rules that no worker uses any more to the system, so that two rulesets are there for a moment only.
func (e *Engine) giveBack() {
	for end := time.Now().Add(time.Second); !e.judges.settled() && time.Now().Before(end); {
		time.Sleep(idlePeriod)
	}
	debug.FreeOSMemory()
	hyperscan.Trim()
}

// load reads and compiles the rules, and makes them the running ones.
func (e *Engine) load() error {
	e.reloads.Lock()
	defer e.reloads.Unlock()
	e.datasets.Forget()
	rs, l, err := e.compile(nil)
	if err != nil {
		return err
	}
	e.loaded.Store(l)
	e.judges.install(func(j *judgement) { j.base = rs })
	return nil
}

// compile reads and compiles the rules of a tenant; nil = those of no tenant.
func (e *Engine) compile(t *tenant) (*detect.Ruleset, *Loaded, error) {
	start := time.Now()
	l := &Loaded{ByWord: map[string]int{}}
	var list []rules.Rule
	var fatal []error
	bad := func(err error) {
		re := refusal(err)
		l.Failed++
		l.ByWord[re.Keyword]++
		l.Errors = append(l.Errors, err.Error())
		l.Refused = append(l.Refused, re)
		e.reportRefused(re)
	}
	files, errs := e.filesOf(t)
	for _, err := range errs {
		e.log.Warn().Msg(err.Error())
		if e.opt.Strict {
			fatal = append(fatal, err)
		}
	}
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
	if e.opt.Rules != "" && t == nil && (e.tenants == nil || e.tenants.base) {
		rs, errs := rules.Parse(strings.NewReader(e.opt.Rules), "rules")
		list = append(list, rs...)
		for _, err := range errs {
			bad(err)
		}
	}
	cfg, errs := e.detectConfig(t)
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
	var err error
	if cfg.Countries, err = e.countries(); err != nil {
		e.log.Warn().Str("module", "detect-geoip").Msgf("Failed to open GeoIP2 database: %v. GeoIP rule matching is disabled.", err)
	}
	cfg.Datasets = e.datasets
	cfg.Generation = e.gen.Add(1)
	cfg.Describe = t == nil && e.describes()
	rs, refused := detect.Compile(cfg.Config, list)
	for _, err := range refused {
		bad(err)
	}
	if cfg.Describe && rs != nil {
		if err := e.report(rs, &cfg.Config, l); err != nil {
			fatal = append(fatal, err)
			e.log.Error().Msg(err.Error())
		}
		rs.Described = nil
	}
	if rs == nil {
		return nil, nil, errors.Join(append(fatal, errors.New("no ruleset could be made"))...)
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
		rs.Close()
		return nil, nil, errors.Join(append(fatal, &RulesError{l.Errors})...)
	}
	if len(fatal) > 0 && (e.opt.RuleFiles != nil || t != nil) && l.Rules == 0 {
		rs.Close()
		return nil, nil, errors.Join(fatal...)
	}
	return rs, l, nil
}

// filesOf lists the rule files of a tenant; nil = those of no tenant.
func (e *Engine) filesOf(t *tenant) (files []string, errs []error) {
	switch {
	case t != nil:
		return t.ruleFiles()
	case e.tenants != nil && !e.tenants.base:
		return nil, nil
	}
	if files = e.opt.RuleFiles; files == nil {
		files, errs = ruleFiles(e.tree.Root())
	}
	return append(files[:len(files):len(files)], e.opt.MoreRuleFiles...), errs
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

// detectConfig reads what detection takes from the configuration, and from that of a tenant.
func (e *Engine) detectConfig(t *tenant) (ruleConfig, []error) {
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
		FileStore:          e.out.Stores() || e.opt.Queue && e.features()["output::file-store"],
		DefineFileMagic:    magic.Available,
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
	if t != nil {
		c.Tenant, c.RulePath = t.id, t.rulePath()
		c.Vars = t.vars(c.Vars)
	}
	read := func(key string, fallback []byte) (io.Reader, string) {
		path := t.get(root, key).Str("")
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
	c.Thresholds, more = detect.ParseThresholds(in, name, c.Vars)
	check("threshold", name, more)
	return ruleConfig{c, broken}, append(errs, r.errs...)
}

// ruleFileFlags is what rules need to know of files.
func ruleFileFlags(rs *detect.Ruleset) file.Flags {
	var f file.Flags
	md5, sha1, sha256, kind, _ := rs.NeedsOfFiles()
	for _, n := range []struct {
		need bool
		flag file.Flags
	}{{md5, file.WantMD5}, {sha1, file.WantSHA1}, {sha256, file.WantSHA256}, {kind, file.WantMagic}} {
		if n.need {
			f |= n.flag
		}
	}
	return f
}
