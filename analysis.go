package sentinel

import (
	"fmt"
	"time"

	"sentinel/detect"
	"sentinel/detect/analysis"
	"sentinel/internal/conf"
	"sentinel/rules"
)

// describes reports whether some report of the rules is asked for. Without one, loading keeps nothing for reports.
func (e *Engine) describes() bool {
	return !e.opt.NoLogs && (e.opt.Analysis || e.tree.Get("detect.profiling.grouping.dump-to-disk").IsTrue())
}

// report writes what the configuration asks for of the rules that were compiled with c: the reports of Options.Analysis, and
// the groups of rules.
func (e *Engine) report(rs *detect.Ruleset, c *detect.Config, l *Loaded) error {
	root := e.tree.Root()
	if e.opt.Analysis {
		n := root.Get("engine-analysis")
		level := n.Get("rules").Str("")
		o := analysis.Options{
			Dir: e.LogDir(), Rules: n.Get("rules").IsTrue(), FastPattern: n.Get("rules-fast-pattern").IsTrue(), Config: c,
			FileStore: e.features()["output::file-store"], Refused: l.Refused, Now: time.Now(),
		}
		if level == "warnings-only" {
			o.Rules, o.WarningsOnly = true, true
		}
		if !o.Rules && !o.FastPattern {
			e.log.Warn().Str("module", "detect").Msg("engine-analysis.rules and engine-analysis.rules-fast-pattern are off: there is nothing to report")
		}
		if err := analysis.Write(rs.Described, o); err != nil {
			return err
		}
	}
	g := root.Get("detect.profiling.grouping")
	if !g.Get("dump-to-disk").IsTrue() {
		return nil
	}
	o := e.grouping(root)
	o.Rules, o.Patterns = g.Get("include-rules").IsTrue(), g.Get("include-mpm-stats").IsTrue()
	return analysis.WriteGroups(e.LogDir(), rs.Described, o)
}

// grouping reads how rules are grouped by port.
func (e *Engine) grouping(root *conf.Node) analysis.GroupOptions {
	o := analysis.GroupOptions{ToClient: 20, ToServer: 40}
	r := &reader{root: root}
	switch root.Get("detect.profile").Str("medium") {
	case "low", "lowest":
		o.ToClient, o.ToServer = 15, 25
	case "high", "highest":
		o.ToClient, o.ToServer = 75, 75
	case "custom":
		o.ToClient = int(r.int("detect.custom-values.toclient-groups", 20, 0, 65535))
		o.ToServer = int(r.int("detect.custom-values.toserver-groups", 40, 0, 65535))
	}
	ports := func(keys ...string) *rules.PortSet {
		for _, k := range keys {
			spec := root.Get(k).Str("")
			if spec == "" {
				continue
			}
			if s, err := rules.ParsePorts("["+spec+"]", e.set.vars); err == nil {
				return &s
			}
			r.errs = append(r.errs, fmt.Errorf("%s: %s: %q is no list of ports", root.Get(k).Pos(), k, spec))
		}
		return nil
	}
	o.TCPPorts = ports("detect.grouping.tcp-priority-ports", "detect.grouping.tcp-whitelist")
	o.UDPPorts = ports("detect.grouping.udp-priority-ports", "detect.grouping.udp-whitelist")
	for _, err := range r.errs {
		e.log.Warn().Str("module", "detect").Msg(err.Error())
	}
	return o
}
