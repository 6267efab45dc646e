package sentinel

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sentinel/detect"
	"sentinel/internal/conf"
	"sentinel/rules"
)

// tenants are the tenants of multi-tenancy and what tells them apart: the section multi-detect, and what the control socket has
// changed since.
type tenants struct {
	base bool // packets of no tenant are judged by the rules of the main configuration

	byID atomic.Pointer[map[uint32]*tenant] // immutable

	mu      sync.Mutex // held while something is changed, however long that takes
	kind    selector
	vlans   map[uint16]uint32
	devices map[string]uint32
	direct  bool // a handler for capture files was registered
}

// list is the tenants by id. It is read-only.
func (t *tenants) list() map[uint32]*tenant { return *t.byID.Load() }

// put makes a tenant known, or forgotten if x is nil. Preconditions: t.mu is held.
func (t *tenants) put(id uint32, x *tenant) {
	m := maps.Clone(t.list())
	if m[id] = x; x == nil {
		delete(m, id)
	}
	t.byID.Store(&m)
}

// tenant is one of them. It is immutable: a reload makes a new one.
type tenant struct {
	id     uint32
	path   string // of its configuration
	tree   *conf.Tree
	main   *conf.Node // the section multi-detect.ID of the main configuration; nil = none
	forced string     // default-rule-path of the command line
	rules  *detect.Ruleset
	result *Loaded
}

// get returns a key of a tenant's configuration, or of the main one where it has none. A nil tenant has none.
func (t *tenant) get(root *conf.Node, key string) *conf.Node {
	if n := t.own(key); n.Exists() {
		return n
	}
	return root.Get(key)
}

// own returns a key of the tenant's own configuration.
func (t *tenant) own(key string) *conf.Node {
	if t == nil {
		return nil
	}
	if n := t.tree.Get(key); n.Exists() {
		return n
	}
	return t.main.Get(key)
}

func (t *tenant) rulePath() string { return cmp.Or(t.forced, t.own("default-rule-path").Str("")) }

// ruleFiles lists the tenant's rule files.
func (t *tenant) ruleFiles() ([]string, []error) {
	return ruleFilesOf(t.own("rule-files"), t.rulePath())
}

// vars are the tenant's variables: its own where it has the section, or those of the main configuration.
func (t *tenant) vars(main rules.Vars) rules.Vars {
	v := main
	for _, x := range []struct {
		key  string
		into *map[string]string
	}{{"vars.address-groups", &v.Address}, {"vars.port-groups", &v.Port}} {
		if n := t.own(x.key); n.Exists() {
			*x.into = groupVars(n)
		}
	}
	return v
}

// readTenants reads the section multi-detect; nil = multi-tenancy is off.
func (e *Engine) readTenants() (*tenants, error) {
	n := e.tree.Get("multi-detect")
	if !n.Get("enabled").IsTrue() {
		return nil, nil
	}
	// A test of the configuration tests the main rules as well.
	t := &tenants{base: n.Get("default").IsTrue() || e.opt.Test, vlans: map[uint16]uint32{}, devices: map[string]uint32{}}
	t.byID.Store(&map[uint32]*tenant{})
	s := n.Get("selector")
	switch v := s.Str(""); v {
	case "":
	case "direct":
		t.kind = selectDirect
	case "vlan":
		t.kind = selectVLAN
		if u := e.tree.Get("vlan.use-for-tracking"); u.Exists() && !u.IsTrue() {
			return nil, fmt.Errorf("%s: multi-detect.selector: vlan needs vlan.use-for-tracking, which is off (%s)", s.Pos(), u.Pos())
		}
	case "device":
		t.kind = selectDevice
		if e.ips {
			return nil, fmt.Errorf("%s: multi-detect.selector: device is not possible inline, where a flow has two devices: use vlan", s.Pos())
		}
	default:
		return nil, fmt.Errorf("%s: multi-detect.selector: unknown selector %q: use direct, vlan or device", s.Pos(), v)
	}
	if err := e.check(t.readMappings(n.Get("mappings"))); err != nil {
		return nil, err
	}
	if t.kind == selectVLAN && len(t.vlans) == 0 || t.kind == selectDevice && len(t.devices) == 0 {
		err := errors.New("no multi-detect mappings defined")
		switch {
		case e.opt.Queue:
			e.log.Log().Msg("no tenant traffic mappings defined, tenants won't be used until mappings are added")
		case e.check([]error{err}) != nil:
			return nil, err
		}
	}
	return t, nil
}

// check logs what is wrong with tenants, and returns it where it is fatal.
func (e *Engine) check(errs []error) error {
	if e.opt.Strict || e.tree.Get("engine.init-failure-fatal").IsTrue() {
		return errors.Join(errs...)
	}
	for _, err := range errs {
		e.log.Error().Str("module", "multi-detect").Msg(err.Error())
	}
	return nil
}

// readMappings reads which traffic is whose.
func (t *tenants) readMappings(list *conf.Node) (errs []error) {
	if t.kind != selectVLAN && t.kind != selectDevice {
		return nil
	}
	for _, m := range list.Children() {
		idn := m.Get("tenant-id")
		id, err := strconv.ParseUint(idn.Str(""), 10, 32)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: multi-detect.mappings: tenant-id is not a number: %q", m.Pos(), idn.Str("")))
			continue
		}
		if t.kind == selectDevice {
			name := m.Get("device").Str("")
			switch _, known := t.devices[name]; {
			case name == "":
				errs = append(errs, fmt.Errorf("%s: multi-detect.mappings: device is missing", m.Pos()))
			case known:
				errs = append(errs, fmt.Errorf("%s: multi-detect.mappings: device %s is mapped twice", m.Pos(), name))
			default:
				t.devices[name] = uint32(id)
			}
			continue
		}
		text := m.Get("vlan-id").Str("")
		vlan, err := strconv.ParseUint(text, 10, 16)
		switch _, known := t.vlans[uint16(vlan)]; {
		case err != nil || vlan == 0 || vlan >= 4095:
			errs = append(errs, fmt.Errorf("%s: multi-detect.mappings: vlan-id is not within 1 and 4094: %q", m.Pos(), text))
		case known:
			errs = append(errs, fmt.Errorf("%s: multi-detect.mappings: VLAN %d is mapped twice", m.Pos(), vlan))
		default:
			t.vlans[uint16(vlan)] = uint32(id)
		}
	}
	return errs
}

// loadAll loads the rules of the main configuration and of all tenants.
func (e *Engine) loadAll() error {
	var err error
	if e.tenants, err = e.readTenants(); err != nil {
		return err
	}
	if err := e.load(); err != nil || e.tenants == nil {
		return err
	}
	nothing, err := e.nothing()
	if err != nil {
		return err
	}
	e.judges.install(func(j *judgement) { j.tenants, j.nothing, j.choose = true, nothing, e.tenants.chooser() })
	n := e.tree.Get("multi-detect")
	dir := n.Get("config-path").Str("")
	type job struct {
		id   uint32
		path string
	}
	var jobs []job
	var errs []error
	for _, c := range n.Get("tenants").Children() {
		id, err := strconv.ParseUint(c.Get("id").Str(""), 10, 32)
		path := c.Get("yaml").Str("")
		switch {
		case err != nil || id == 0:
			errs = append(errs, fmt.Errorf("%s: multi-detect.tenants: id is not a number from 1 on: %q", c.Pos(), c.Get("id").Str("")))
			continue
		case path == "":
			errs = append(errs, fmt.Errorf("%s: multi-detect.tenants: tenant %d has no yaml", c.Pos(), id))
			continue
		case slices.ContainsFunc(jobs, func(j job) bool { return j.id == uint32(id) }):
			errs = append(errs, fmt.Errorf("%s: multi-detect.tenants: tenant %d is there twice", c.Pos(), id))
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		jobs = append(jobs, job{uint32(id), path})
	}
	loaders, err := n.Get("loaders").IntIn(1, 1, 1024)
	if err != nil {
		errs = append(errs, err)
		loaders = 1
	}
	made, fails := make([]*tenant, len(jobs)), make([]error, len(jobs))
	var wg sync.WaitGroup
	gate := make(chan struct{}, loaders)
	for i, x := range jobs {
		gate <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			made[i], fails[i] = e.makeTenant(x.id, x.path)
			<-gate
		}()
	}
	wg.Wait()
	for i, t := range made {
		if t == nil {
			errs = append(errs, fmt.Errorf("tenant %d: %w", jobs[i].id, fails[i]))
			continue
		}
		e.tenants.put(t.id, t)
	}
	if err := e.check(errs); err != nil {
		return err
	}
	e.installTenants()
	return nil
}

// nothing compiles a ruleset without rules.
func (e *Engine) nothing() (*detect.Ruleset, error) {
	cfg, _ := e.detectConfig(nil)
	cfg.Generation = e.gen.Add(1)
	rs, errs := detect.Compile(cfg.Config, nil)
	if rs == nil {
		return nil, errors.Join(errs...)
	}
	return rs, nil
}

// makeTenant reads a tenant's configuration and rules.
func (e *Engine) makeTenant(id uint32, path string) (*tenant, error) {
	t := &tenant{id: id, path: path, tree: conf.New(), main: e.tree.Get("multi-detect").Child(strconv.FormatUint(uint64(id), 10))}
	prefix := fmt.Sprintf("multi-detect.%d.", id)
	for _, s := range e.opt.Set {
		key, value, _ := strings.Cut(s, "=")
		key = strings.TrimSpace(key)
		if own, ok := strings.CutPrefix(strings.ReplaceAll(key, "_", "-"), prefix); ok {
			if err := t.tree.SetPath(own, strings.TrimSpace(value)); err != nil {
				return nil, err
			}
		}
		if key == "default-rule-path" {
			t.forced = strings.TrimSpace(value)
		}
	}
	warnings, err := t.tree.LoadAt("", path)
	for _, w := range warnings {
		e.log.Warn().Msg(w.String())
	}
	if err != nil {
		return nil, err
	}
	if t.rules, t.result, err = e.compile(t); err != nil {
		return nil, err
	}
	e.log.Info().Str("module", "detect").Msgf("tenant id %d: %d rule files processed. %d rules successfully loaded, %d rules failed, %d rules skipped",
		id, t.result.Files, t.result.Rules, t.result.Failed, t.result.Skipped)
	return t, nil
}

// installTenants makes the tenants that there are the running ones.
func (e *Engine) installTenants() {
	t := e.tenants
	e.judges.install(func(j *judgement) {
		j.byTenant = map[uint32]*detect.Ruleset{}
		for id, x := range t.list() {
			j.byTenant[id] = x.rules
		}
		j.choose = t.chooser()
	})
}

// chooser is what tells tenants apart at present.
func (t *tenants) chooser() chooser {
	return chooser{kind: t.kind, vlans: maps.Clone(t.vlans), devices: maps.Clone(t.devices)}
}

// reloadTenants reads all tenants again. When one fails, all go on as they are.
func (e *Engine) reloadTenants() error {
	if e.tenants == nil {
		return nil
	}
	e.tenants.mu.Lock()
	defer e.tenants.mu.Unlock()
	next := map[uint32]*tenant{}
	for _, id := range slices.Sorted(maps.Keys(e.tenants.list())) {
		t, err := e.makeTenant(id, e.tenants.list()[id].path)
		if err != nil {
			for _, x := range next {
				x.rules.Close()
			}
			return fmt.Errorf("tenant %d: %w", id, err)
		}
		next[id] = t
	}
	e.tenants.byID.Store(&next)
	e.installTenants()
	return nil
}

// loaded lists what came of the tenants' rules, by id.
func (t *tenants) loaded() (list []loadedOf) {
	if t == nil {
		return nil
	}
	m := t.list()
	for _, id := range slices.Sorted(maps.Keys(m)) {
		list = append(list, loadedOf{id, m[id].result})
	}
	return list
}
