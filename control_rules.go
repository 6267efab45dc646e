package sentinel

import (
	"time"

	"sentinel/internal/control"
)

// reloadNow reloads the rules unless that is under way, and logs what comes of it. started is false when it is under way.
func (e *Engine) reloadNow() (started bool, err error) {
	if !e.reloading.CompareAndSwap(false, true) {
		return false, nil
	}
	defer e.reloading.Store(false)
	e.log.Log().Msg("rule reload starting")
	if err := e.Reload(); err != nil {
		e.log.Error().Msg("rule reload failed, the present rules go on: " + err.Error())
		return true, err
	}
	e.ReportLoaded()
	e.log.Log().Msg("rule reload complete")
	return true, nil
}

// ReloadAndReport reloads the rules and logs what comes of it.
func (e *Engine) ReloadAndReport() error {
	_, err := e.reloadNow()
	return err
}

const reloadBusy = "Reload already in progress"

func (x *controller) reload() control.Reply {
	started, err := x.e.reloadNow()
	switch {
	case err != nil:
		return control.NOK("reload failed, the present rules go on: " + err.Error())
	case !started:
		return control.NOK(reloadBusy)
	}
	return control.OK("done")
}

// reloadSoon is reload without waiting for it.
func (x *controller) reloadSoon() control.Reply {
	if x.e.reloading.Load() {
		return control.NOK(reloadBusy)
	}
	x.e.mu.Lock() // Close waits for what was begun before it
	defer x.e.mu.Unlock()
	if x.e.closed {
		return control.NOK("the engine ends")
	}
	x.e.ctl.soon.Go(func() { _, _ = x.e.reloadNow() })
	return control.OK("done")
}

// tenantRules is what is told of the rules of one tenant; 0 is all that no tenant has.
type tenantRules struct {
	ID         uint32  `json:"id"`
	LastReload string  `json:"last_reload,omitempty"`
	Loaded     *uint64 `json:"rules_loaded,omitempty"`
	Failed     *uint64 `json:"rules_failed,omitempty"`
	Skipped    *uint64 `json:"rules_skipped,omitempty"`
}

func (x *controller) reloadTime(l *Loaded, t *tenantRules) { t.LastReload = reloadStamp(l.When) }

func (x *controller) rulesetStats(l *Loaded, t *tenantRules) {
	number := func(n int) *uint64 { v := uint64(n); return &v }
	t.Loaded, t.Failed, t.Skipped = number(l.Rules), number(l.Failed), number(l.Skipped)
}

func reloadStamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000-0700") }

// rulesets tells something of each set of rules.
func (x *controller) rulesets(fill func(*Loaded, *tenantRules)) control.Reply {
	var out []tenantRules
	for _, l := range x.e.allLoaded() {
		t := tenantRules{ID: l.id}
		fill(l.loaded, &t)
		out = append(out, t)
	}
	if out == nil {
		return control.NOK("Unable to get info")
	}
	return control.OK(out)
}

// loadedOf is what came of the rules of a tenant; 0 is all that no tenant has.
type loadedOf struct {
	id     uint32
	loaded *Loaded
}

// allLoaded lists what came of the rules, those of no tenant first.
func (e *Engine) allLoaded() (list []loadedOf) {
	if l := e.loaded.Load(); l != nil {
		list = append(list, loadedOf{0, l})
	}
	return append(list, e.tenants.loaded()...)
}

// maxFailedRules is how many refused rules are listed.
const maxFailedRules = 21

func (x *controller) failedRules() control.Reply {
	type refused struct {
		Tenant uint32 `json:"tenant_id"`
		Rule   string `json:"rule"`
		File   string `json:"filename"`
		Line   int    `json:"line"`
		Error  string `json:"error,omitempty"`
	}
	list := x.e.allLoaded()
	if list == nil {
		return control.OK("Unable to get info")
	}
	out := []refused{}
	for _, l := range list {
		for _, r := range l.loaded.Refused {
			if len(out) < maxFailedRules {
				out = append(out, refused{l.id, r.Raw, r.File, r.Line, r.Reason})
			}
		}
	}
	return control.OK(out)
}
