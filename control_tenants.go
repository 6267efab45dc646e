package sentinel

import (
	"os"
	"strconv"
	"strings"

	"sentinel/internal/conf"
	"sentinel/internal/control"
)

// tenantCommand carries out a command on a tenant, whose id it reads, while nothing else changes the tenants. why is what is wrong.
func (x *controller) tenantCommand(do func(t *tenants, id uint32, a control.Args) (done, why string)) func(control.Args) control.Reply {
	return func(a control.Args) control.Reply {
		t := x.e.tenants
		if t == nil {
			return control.NOK("multi-tenant support not enabled")
		}
		id, whole, ok := a.Uint32("id")
		switch {
		case !whole:
			return control.NOK("id is not an integer")
		case !ok:
			return control.NOK("tenant_id is not a uint32")
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		done, why := do(t, id, a)
		if why != "" {
			return control.NOK(why)
		}
		x.e.installTenants()
		return control.OK(done)
	}
}

// tenantFile reads the configuration file of a command on a tenant.
func tenantFile(a control.Args) (path, why string) {
	path, ok := a.Text("filename")
	if !ok {
		return "", "command is not a string"
	}
	if _, err := os.Stat(path); err != nil {
		return "", "file does not exist"
	}
	return path, ""
}

func (x *controller) registerTenant(t *tenants, id uint32, a control.Args) (done, why string) {
	path, why := tenantFile(a)
	if why != "" {
		return "", why
	}
	if id == 0 || t.list()[id] != nil {
		x.e.log.Error().Str("module", "multi-detect").Msgf("tenant %d already registered", id)
		return "", "adding tenant failed"
	}
	n, err := x.e.makeTenant(id, path)
	if err != nil {
		x.e.log.Error().Str("module", "multi-detect").Msgf("tenant %d: %v", id, err)
		return "", "adding tenant failed"
	}
	t.put(id, n)
	return "adding tenant succeeded", ""
}

func (x *controller) reloadTenant(t *tenants, id uint32, a control.Args) (done, why string) {
	old := t.list()[id]
	path := ""
	if a.Has("filename") {
		if path, why = tenantFile(a); why != "" {
			return "", why
		}
	} else if old != nil {
		path = old.path
	}
	if old == nil {
		x.e.log.Error().Str("module", "multi-detect").Msgf("tenant %d: detect engine not found", id)
		return "", "reload tenant failed"
	}
	n, err := x.e.makeTenant(id, path)
	if err != nil {
		x.e.log.Error().Str("module", "multi-detect").Msgf("tenant %d goes on as it is: %v", id, err)
		return "", "reload tenant failed"
	}
	t.put(id, n)
	return "reloading tenant succeeded", ""
}

func (x *controller) unregisterTenant(t *tenants, id uint32, _ control.Args) (done, why string) {
	if t.list()[id] == nil {
		return "", "tenant detect engine not found"
	}
	t.put(id, nil)
	return "removing tenant succeeded", ""
}

// handler reads what traffic a command on a handler is about.
func handler(a control.Args) (kind selector, vlan uint16, why string) {
	name, ok := a.Text("htype")
	if !ok {
		return 0, 0, "command is not a string"
	}
	n := int64(-1)
	if a.Has("hargs") {
		if n, ok = a.Int("hargs"); !ok {
			return 0, 0, "hargs not a number"
		}
	}
	switch {
	case name == "pcap":
		return selectDirect, 0, ""
	case name != "vlan":
		return selectNone, 0, ""
	case n < 0:
		return 0, 0, "vlan requires argument"
	case n > 65535:
		return 0, 0, "vlan argument out of range"
	}
	return selectVLAN, uint16(n), ""
}

func (x *controller) registerHandler(t *tenants, id uint32, a control.Args) (done, why string) {
	kind, vlan, why := handler(a)
	if why != "" {
		return "", why
	}
	const failed = "handler setup failure"
	if kind == selectNone || t.kind != selectNone && t.kind != kind {
		return "", failed
	}
	if kind == selectVLAN {
		if _, known := t.vlans[vlan]; known {
			return "", failed
		}
		t.vlans[vlan] = id
	} else {
		if t.direct {
			return "", failed
		}
		t.direct = true
	}
	t.kind = kind
	return "handler added", ""
}

func (x *controller) unregisterHandler(t *tenants, id uint32, a control.Args) (done, why string) {
	kind, vlan, why := handler(a)
	if why != "" {
		return "", why
	}
	known := false
	switch kind {
	case selectVLAN:
		_, known = t.vlans[vlan]
		delete(t.vlans, vlan)
	case selectDirect:
		known, t.direct = t.direct, false
	}
	if !known {
		return "", "handler unregister failure"
	}
	return "handler removed", ""
}

func (x *controller) reloadAllTenants() control.Reply {
	if x.e.tenants == nil {
		return control.NOK("multi-tenant support not enabled")
	}
	if err := x.e.reloadTenants(); err != nil {
		x.e.log.Error().Str("module", "multi-detect").Msg("tenants go on as they are: " + err.Error())
		return control.NOK("reload tenants failed")
	}
	x.e.log.Log().Msg("reload-tenants complete")
	return control.OK("reloading tenants succeeded")
}

// tenantKey finds a key of a tenant's configuration: multi-detect.ID.KEY.
func (e *Engine) tenantKey(name string) *conf.Node {
	rest, ok := strings.CutPrefix(name, "multi-detect.")
	if !ok || e.tenants == nil {
		return nil
	}
	first, key, _ := strings.Cut(rest, ".")
	id, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return nil
	}
	return e.tenants.list()[uint32(id)].own(key)
}
