package sentinel

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"sentinel/internal/control"
	"sentinel/internal/counter"
	"sentinel/internal/jsonw"
)

// ControlDir is where the control socket is unless its path is absolute, and ControlName its name unless it is configured.
const (
	ControlDir  = "/var/run/sentinel"
	ControlName = "suricata-command.socket"
)

// ControlPath is where the control socket of a configured name is.
func ControlPath(name string) string {
	switch {
	case name == "":
		return filepath.Join(ControlDir, ControlName)
	case filepath.IsAbs(name):
		return name
	}
	return filepath.Join(ControlDir, name)
}

// Control says how an engine is controlled through a socket.
type Control struct {
	Path     string // of the socket
	Shutdown func() // ends the run
	Reopen   func() // opens log files anew that are not the engine's; nil = none
	Chown    bool   // the socket is given to UID and GID, of which -1 stays as it is
	UID, GID int
}

// Control answers commands on a socket until the result is closed. See docs/control-socket.md.
func (e *Engine) Control(c Control) (*control.Server, error) {
	x := &controller{e: e, c: c, started: time.Now()}
	cfg := control.Config{Path: c.Path, UID: -1, GID: -1, Commands: x.commands(), Warn: e.Warn}
	if c.Chown {
		cfg.UID, cfg.GID = c.UID, c.GID
	}
	return control.Listen(cfg)
}

// controller carries out commands.
type controller struct {
	e       *Engine
	c       Control
	started time.Time
	names   []string
	hosts   hostsSeen
}

// commands lists all commands, in the order in which they are told.
func (x *controller) commands() []control.Command {
	plain := func(name string, run func() control.Reply) control.Command {
		return control.Command{Name: name, Run: func(control.Args) control.Reply { return run() }}
	}
	with := func(name string, run func(control.Args) control.Reply) control.Command {
		return control.Command{Name: name, Args: true, Run: run}
	}
	list := []control.Command{
		{Name: "shutdown", Run: func(control.Args) control.Reply { return control.OK("Closing Suricata") }, Then: x.c.Shutdown},
		plain("command-list", x.list),
		plain("help", x.list),
		plain("version", func() control.Reply { return control.OK(BehavesLike + " RELEASE") }),
		plain("uptime", func() control.Reply { return control.OK(int64(time.Since(x.started) / time.Second)) }),
		plain("running-mode", func() control.Reply { return control.OK(x.mode()) }),
		plain("capture-mode", func() control.Reply { return control.OK(x.capture()) }),
		with("conf-get", x.confGet),
		plain("dump-counters", x.counters),
		plain("reload-rules", x.reload),
		plain("ruleset-reload-rules", x.reload),
		plain("ruleset-reload-nonblocking", x.reloadSoon),
		plain("ruleset-reload-time", func() control.Reply { return x.rulesets(x.reloadTime) }),
		plain("ruleset-stats", func() control.Reply { return x.rulesets(x.rulesetStats) }),
		plain("ruleset-failed-rules", x.failedRules),
		with("register-tenant-handler", x.tenantCommand(x.registerHandler)),
		with("unregister-tenant-handler", x.tenantCommand(x.unregisterHandler)),
		with("register-tenant", x.tenantCommand(x.registerTenant)),
		with("reload-tenant", x.tenantCommand(x.reloadTenant)),
		plain("reload-tenants", x.reloadAllTenants),
		with("unregister-tenant", x.tenantCommand(x.unregisterTenant)),
		with("add-hostbit", x.addHostbit),
		with("remove-hostbit", x.removeHostbit),
		with("list-hostbit", x.listHostbit),
		plain("reopen-log-files", x.reopen),
		with("memcap-set", x.setMemcap),
		with("memcap-show", x.showMemcap),
		plain("memcap-list", x.listMemcaps),
		with("dataset-add", x.addData),
		with("dataset-remove", x.removeData),
		with("dataset-add-json", x.addJSON),
		with("get-flow-stats-by-id", x.flowStats),
		plain("dataset-dump", x.dumpData),
		with("dataset-clear", x.clearData),
		with("dataset-lookup", x.lookupData),
	}
	if q := x.e.queue(); q != nil {
		list = append(list, q.commands(plain, with)...)
	} else {
		list = append(list,
			with("iface-stat", x.ifaceStat),
			plain("iface-list", x.ifaceList),
			plain("iface-bypassed-stat", x.bypassed),
			plain("ebpf-bypassed-stat", x.bypassed))
	}
	for i := range list {
		x.names = append(x.names, list[i].Name)
	}
	return list
}

func (x *controller) list() control.Reply {
	return control.OK(struct {
		Count    int      `json:"count"`
		Commands []string `json:"commands"`
	}{len(x.names), x.names})
}

func (x *controller) mode() string {
	if m := x.e.active().ctl.mode.Load(); m != nil {
		return *m
	}
	if m := x.e.opt.RunMode; m != "" {
		return m
	}
	if m := x.e.set.runmode; m != "" {
		return m
	}
	return "autofp"
}

func (x *controller) capture() string {
	if x.e.opt.Queue {
		return "UNIX_SOCKET"
	}
	if m := x.e.ctl.source.Load(); m != nil {
		return *m
	}
	return "LIB"
}

func (x *controller) confGet(a control.Args) control.Reply {
	name, ok := a.Text("variable")
	if !ok {
		return control.NOK("variable is not a string")
	}
	if len(name) > 1024 {
		return control.NOK("Unable to get value")
	}
	v, ok := x.e.tree.Get(name).Value()
	if !ok {
		v, ok = x.e.tenantKey(name).Value()
	}
	if !ok {
		return control.NOK("Unable to get value")
	}
	return control.OK(v)
}

// counters is what a stats event says, with threads.
func (x *controller) counters() control.Reply {
	e := x.e.active()
	if e.tree.Get("stats.enabled").IsFalse() {
		return control.NOK("stats are disabled in the config")
	}
	var s counter.Snapshot
	e.counters.reg.Snapshot(&s)
	var b jsonw.Builder
	b.StartObject()
	b.Uint("uptime", uint64(time.Since(e.started)/time.Second))
	s.Members(&b, &s.Total, counter.Format{Group: func(name string, b *jsonw.Builder) {
		if name == "detect" {
			e.engines(b)
		}
	}})
	b.OpenObject("threads")
	for i := range s.Threads {
		b.Key([]byte(s.Threads[i].Name))
		b.StartObject()
		s.Members(&b, &s.Threads[i], counter.Format{})
		b.Close()
	}
	b.Close()
	b.Close()
	return control.OK(json.RawMessage(b.Bytes()))
}

func (x *controller) reopen() control.Reply {
	var errs []error
	errs = append(errs, x.e.Reopen())
	if c := x.e.ctl.child.Load(); c != nil {
		errs = append(errs, c.Reopen())
	}
	if x.c.Reopen != nil {
		x.c.Reopen()
	}
	if err := errors.Join(errs...); err != nil {
		return control.NOK(err.Error())
	}
	return control.OK("done")
}
