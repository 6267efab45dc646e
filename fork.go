package sentinel

import (
	"time"

	"sentinel/stream"
)

// fork makes an engine for one run of packets: it judges by e's rules, and has outputs in a folder of its own, counters, flows and
// thresholds.
func (e *Engine) fork(dir string) (*Engine, error) {
	f := &Engine{opt: e.opt, log: e.log, tree: e.tree, set: e.set, threading: e.threading, reg: e.reg, ips: e.ips, detects: e.detects, seed: e.seed,
		judges: e.judges, names: e.names, tenants: e.tenants, datasets: e.datasets, expect: stream.NewExpectations(), started: time.Now(), rejects: e.rejects, parent: e}
	f.opt.LogDir, f.opt.Queue, f.opt.Started = dir, false, nil
	f.counters = newCounters(f.reg, f.set, f.ips)
	if f.ips {
		f.unjudged.register(f.counters.reg)
	}
	if err := f.openOutput(); err != nil {
		return nil, err
	}
	if e.shared != nil {
		f.shared = e.shared.Apart((&reader{root: e.tree.Root()}).size("detect.thresholds.memcap", 0))
		f.counters.thresholds(f.shared)
	}
	f.loaded.Store(e.loaded.Load())
	f.startStats()
	return f, nil
}
