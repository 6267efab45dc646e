package sentinel

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/internal/mem"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/defrag"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// settings is what the configuration tree says, in the form that the parts of the engine take. It is read once at start.
type settings struct {
	decode   decode.Config
	flow     flow.Config
	tcp      tcp.Config
	defrag   defrag.Config
	checksum checksumMode
	vars     rules.Vars

	master        stream.Policy // exception-policy: the default of all others
	masterSet     bool
	masterRaw     stream.Policy // before auto was resolved
	flowMemcap    stream.Policy
	defragMemcap  stream.Policy
	appError      stream.Policy
	sessionMemcap stream.Policy
	reassembly    stream.Policy
	midstream     stream.Policy
	perAppErrors  bool           // stats.exception-policy.per-app-proto-errors
	actionOrder   []rules.Action // nil = the usual one

	caps       memcaps
	offload    offloadSettings
	early      earlySettings
	maxPending int
	failOpen   bool          // ips.fail-open: frames that no worker judges are forwarded
	stall      time.Duration // ips.stall-timeout
	runmode    string
	logDir     string
}

// checksumMode says what happens to packets with wrong checksums.
type checksumMode uint8

const (
	checksumsAuto checksumMode = iota // as the source says
	checksumsAll
	checksumsNone
)

// reader reads values and gathers what is wrong with them.
type reader struct {
	root *conf.Node
	errs []error
}

func (r *reader) fail(n *conf.Node, err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

func (r *reader) size(path string, def uint64) uint64 {
	n := r.root.Get(path)
	if v, _ := n.Value(); !n.Exists() || v == "" {
		return def
	}
	v, err := n.Size(def)
	r.fail(n, err)
	return v
}

func (r *reader) int(path string, def, low, high int64) int64 {
	n := r.root.Get(path)
	if v, _ := n.Value(); !n.Exists() || v == "" {
		return def
	}
	v, err := n.IntIn(def, low, high)
	r.fail(n, err)
	return v
}

// actionOrder reads action-order: all four kinds, each once.
func (r *reader) actionOrder() []rules.Action {
	n := r.root.Get("action-order")
	if !n.Exists() {
		return nil
	}
	known := map[string]rules.Action{"pass": rules.Pass, "drop": rules.Drop, "reject": rules.Reject, "alert": rules.Alert}
	var order []rules.Action
	for _, s := range n.Strings() {
		a, ok := known[s]
		if !ok || slices.Contains(order, a) {
			order = nil
			break
		}
		order = append(order, a)
	}
	if len(order) != len(known) {
		r.errs = append(r.errs, fmt.Errorf("%s: action-order: name each of pass, drop, reject and alert once", n.Pos()))
		return nil
	}
	return order
}

func (r *reader) bool(path string, def bool) bool { return r.root.Get(path).Bool(def) }

func (r *reader) policy(path string, def stream.Policy) stream.Policy {
	n := r.root.Get(path)
	if !n.Exists() {
		return def
	}
	p, err := stream.ParsePolicy(n.Str(""))
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %w", n.Pos(), path, err))
		return def
	}
	return p
}

// read fills the settings from a configuration.
func readSettings(root *conf.Node, ips bool) (*settings, []error) {
	r := &reader{root: root}
	s := &settings{}
	s.readDecode(r)
	s.readFlow(r)
	s.readPolicies(r, ips)
	s.readTCP(r, ips)
	s.readDefrag(r)
	s.readOffload(r)
	s.readEarly(r)
	s.readVars(r)
	s.caps.flow.Store(s.flow.WithDefaults().Memcap)
	s.caps.defrag.Store(int64(cmp.Or(s.defrag.Memcap, 32<<20)))
	s.actionOrder = r.actionOrder()
	s.perAppErrors = r.bool("stats.exception-policy.per-app-proto-errors", false)
	s.maxPending = int(r.int("max-pending-packets", 1024, 1, 65535))
	s.readInline(r)
	s.runmode = root.Get("runmode").Str("")
	s.logDir = root.Get("default-log-dir").Str("")
	return s, r.errs
}

// readInline reads what becomes of frames that no worker judges.
func (s *settings) readInline(r *reader) {
	open := false
	switch s.master {
	case stream.Ignore, stream.PassThisPacket, stream.PassWholeFlow, stream.Bypass:
		open = true
	}
	s.failOpen = r.bool("ips.fail-open", open)
	s.stall = time.Duration(r.int("ips.stall-timeout", 1000, 10, 3600_000)) * time.Millisecond
}

func (s *settings) readDecode(r *reader) {
	c := decode.DefaultConfig()
	c.MaxLayers = int(r.int("decoder.max-layers", 16, 1, 255))
	c.VXLAN = r.bool("decoder.vxlan.enabled", true)
	c.VXLANPorts = r.ports("decoder.vxlan.ports", c.VXLANPorts)
	c.VXLANPermissive = r.root.Get("decoder.vxlan.reserved-bits-check").Str("strict") == "permissive"
	c.Geneve = r.bool("decoder.geneve.enabled", true)
	c.GenevePorts = r.ports("decoder.geneve.ports", c.GenevePorts)
	c.Teredo = r.bool("decoder.teredo.enabled", true)
	c.TeredoPorts = r.ports("decoder.teredo.ports", c.TeredoPorts)
	c.TrackRecursion = r.bool("decoder.recursion-level.use-for-tracking", true)
	s.decode = c
}

// ports reads a list of ports; a variable may stand for it.
func (r *reader) ports(path string, def []uint16) []uint16 {
	n := r.root.Get(path)
	if !n.Exists() {
		return def
	}
	text := n.Str("")
	if name, ok := strings.CutPrefix(text, "$"); ok {
		text = r.root.Get("vars.port-groups." + name).Str("")
	}
	if text == "" {
		text = "[" + strings.Join(n.Strings(), ",") + "]"
	}
	if text == "any" || text == "[]" {
		return nil
	}
	var out []uint16
	for _, p := range strings.Split(strings.Trim(text, "[] "), ",") {
		v, err := strconv.ParseUint(strings.TrimSpace(p), 10, 16)
		if err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %s: not a port: %q", n.Pos(), path, p))
			return def
		}
		out = append(out, uint16(v))
	}
	return out
}

func (s *settings) readFlow(r *reader) {
	c := flow.Config{
		Memcap:            int64(r.size("flow.memcap", 128<<20)),
		HashSize:          uint32(r.int("flow.hash-size", 65536, 1, 1<<30)),
		Prealloc:          uint32(r.int("flow.prealloc", 10000, 0, 1<<28)),
		EmergencyRecovery: uint32(r.int("flow.emergency-recovery", 30, 1, 100)),
		IgnoreVLAN:        !r.bool("vlan.use-for-tracking", true),
		IgnoreIface:       !r.bool("livedev.use-for-tracking", true),
		IgnoreDepth:       !r.bool("decoder.recursion-level.use-for-tracking", true),
		Midstream:         r.bool("stream.midstream", false),
		RateBytes:         r.size("flow.rate-tracking.bytes", 0),
	}
	if n := r.root.Get("flow.rate-tracking.interval"); n.Exists() {
		d, err := n.Duration(0)
		r.fail(n, err)
		c.RateInterval = uint32(d / time.Second)
	}
	c.Normal, c.Emergency = flow.DefaultNormal, flow.DefaultEmergency
	for class, name := range []string{"default", "tcp", "udp", "icmp"} {
		base := "flow-timeouts." + name + "."
		for _, t := range []struct {
			key    string
			normal *uint32
			emerg  *uint32
		}{
			{"new", &c.Normal[class].New, &c.Emergency[class].New},
			{"established", &c.Normal[class].Established, &c.Emergency[class].Established},
			{"closed", &c.Normal[class].Closed, &c.Emergency[class].Closed},
			{"bypassed", &c.Normal[class].Bypassed, &c.Emergency[class].Bypassed},
		} {
			*t.normal = uint32(r.int(base+t.key, int64(*t.normal), 0, 1<<31))
			*t.emerg = uint32(r.int(base+"emergency-"+t.key, int64(*t.emerg), 0, 1<<31))
		}
	}
	s.flow = c
}

func (s *settings) readPolicies(r *reader, ips bool) {
	s.masterSet = r.root.Get("exception-policy").Exists()
	s.master = r.policy("exception-policy", stream.Auto)
	resolve := func(p stream.Policy) stream.Policy {
		if p == stream.Auto {
			if ips {
				return stream.DropWholeFlow
			}
			return stream.Ignore
		}
		return p
	}
	s.masterRaw = s.master
	if s.masterSet && !ips && (s.master == stream.DropThisPacket || s.master == stream.DropWholeFlow) {
		s.master, s.masterRaw = stream.Ignore, stream.Ignore
	}
	s.master = resolve(s.master)
	get := func(path string, t stream.Target) stream.Policy {
		return resolve(r.policy(path, s.master)).ForTarget(t)
	}
	s.flowMemcap = get("flow.memcap-policy", stream.TargetFlowMemcap)
	s.defragMemcap = get("defrag.memcap-policy", stream.TargetDefragMemcap)
	s.appError = get("app-layer.error-policy", stream.TargetAppError)
	s.sessionMemcap = get("stream.memcap-policy", stream.TargetSessionMemcap)
	s.reassembly = get("stream.reassembly.memcap-policy", stream.TargetReassemblyMemcap)
	s.readMidstream(r, ips)
}

// readMidstream reads the policy for sessions without their handshake. Where those are picked up on purpose, it may only let
// them pass.
func (s *settings) readMidstream(r *reader, ips bool) {
	const path = "stream.midstream-policy"
	picksUp := r.bool("stream.midstream", false)
	n := r.root.Get(path)
	p := r.policy(path, stream.Auto)
	if !n.Exists() && s.masterSet {
		p = s.masterRaw
	}
	given := n.Exists() && p != stream.Auto
	if p == stream.Auto {
		p = stream.Ignore
		if ips && !picksUp {
			p = stream.DropWholeFlow
		}
	}
	switch {
	case given && picksUp && p != stream.Ignore && p != stream.PassWholeFlow:
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %q is not a valid exception policy when midstream is enabled: use pass-flow or ignore", n.Pos(), path, n.Str("")))
	case given && !ips && p == stream.DropWholeFlow:
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %q is not a valid exception policy in IDS mode", n.Pos(), path, n.Str("")))
	case p == stream.PassThisPacket || p == stream.DropThisPacket:
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %s is not valid for this exception policy: it decides about flows", r.root.Pos(), path, p))
	}
	s.midstream = p
}

// policies are the exception policies by target.
func (s *settings) policies() [stream.TargetCount]stream.Policy {
	return [stream.TargetCount]stream.Policy{
		stream.TargetDefragMemcap: s.defragMemcap, stream.TargetSessionMemcap: s.sessionMemcap,
		stream.TargetReassemblyMemcap: s.reassembly, stream.TargetFlowMemcap: s.flowMemcap,
		stream.TargetMidstream: s.midstream, stream.TargetAppError: s.appError,
	}
}

func (s *settings) readTCP(r *reader, ips bool) {
	c := tcp.DefaultConfig()
	c.Sessions = mem.NewBudget(int64(r.size("stream.memcap", 64<<20)))
	c.Reassembly = mem.NewBudget(int64(r.size("stream.reassembly.memcap", 256<<20)))
	inline := r.root.Get("stream.inline").Str("auto")
	c.Inline = conf.IsTrue(inline) || inline == "auto" && ips
	c.DropInvalid = r.bool("stream.drop-invalid", true)
	c.Midstream = r.bool("stream.midstream", false)
	c.AsyncOne = r.bool("stream.async-oneside", false)
	c.Bypass = r.bool("stream.bypass", false)
	c.MaxSynQueued = uint8(r.int("stream.max-syn-queued", 10, 0, 255))
	c.MaxSynAckQueued = uint8(r.int("stream.max-synack-queued", 5, 0, 255))
	c.PreallocSessions = uint32(r.int("stream.prealloc-sessions", 2048, 0, 1<<24))
	c.PreallocSegments = uint32(r.int("stream.reassembly.segment-prealloc", 2048, 0, 1<<24))
	c.Depth = uint32(min(r.size("stream.reassembly.depth", 1<<20), 1<<32-1))
	c.Chunk[flow.ToServer] = uint32(r.size("stream.reassembly.toserver-chunk-size", 2560))
	c.Chunk[flow.ToClient] = uint32(r.size("stream.reassembly.toclient-chunk-size", 2560))
	c.NoRaw = !r.bool("stream.reassembly.raw", true)
	c.CheckOverlap = r.bool("stream.reassembly.check-overlap-different-data", false)
	c.MaxRegions = uint16(r.int("stream.reassembly.max-regions", 8, 0, 65535))
	c.StrictTime = !r.bool("stream.liberal-timestamps", true)
	urgent := func(path string, def tcp.Urgent) tcp.Urgent {
		switch v := r.root.Get(path).Str(""); v {
		case "":
			return def
		case "oob":
			return tcp.UrgentOOB
		case "drop":
			return tcp.UrgentDrop
		case "inline":
			return tcp.UrgentInline
		case "gap":
			return tcp.UrgentGap
		default:
			r.errs = append(r.errs, fmt.Errorf("%s: %s: unknown policy %q: use oob, inline, drop or gap", r.root.Get(path).Pos(), path, v))
		}
		return def
	}
	c.UrgentPolicy = urgent("stream.reassembly.urgent.policy", tcp.UrgentOOB)
	c.UrgentLimit = urgent("stream.reassembly.urgent.oob-limit-policy", tcp.UrgentDrop)
	c.Hosts = r.hosts()
	if r.root.Get("stream.checksum-validation").Exists() && !r.bool("stream.checksum-validation", true) {
		s.checksum = checksumsNone
	}
	s.tcp = c
}

// hosts reads host-os-policy.
func (r *reader) hosts() *tcp.Hosts {
	n := r.root.Get("host-os-policy")
	if !n.Exists() {
		return nil
	}
	h := new(tcp.Hosts)
	for _, os := range n.Children() {
		p, ok := tcp.PolicyByName(os.Name())
		if !ok {
			r.errs = append(r.errs, fmt.Errorf("%s: host-os-policy: unknown operating system %q", os.Pos(), os.Name()))
			continue
		}
		for _, text := range os.Strings() {
			for _, part := range strings.Split(strings.Trim(text, "[] "), ",") {
				part = strings.Trim(strings.TrimSpace(part), `"`)
				if part == "" {
					continue
				}
				net, err := parsePrefix(part)
				if err != nil {
					r.errs = append(r.errs, fmt.Errorf("%s: host-os-policy: %w", os.Pos(), err))
					continue
				}
				h.Add(net, p)
			}
		}
	}
	return h
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func (s *settings) readDefrag(r *reader) {
	s.defrag = defrag.Config{
		Memcap:   int(min(r.size("defrag.memcap", 32<<20), 1<<40)),
		Trackers: int(r.int("defrag.trackers", 65535, 1, 1<<24)),
		MaxFrags: int(r.int("defrag.max-frags", 65535, 1, 1<<24)),
		HashSize: int(r.int("defrag.hash-size", 65536, 1, 1<<24)),
		Timeout:  time.Duration(r.int("defrag.timeout", 60, 1, 86400)) * time.Second,
		Prealloc: false,
	}
}

func (s *settings) readVars(r *reader) {
	s.vars = rules.Vars{Address: groupVars(r.root.Get("vars.address-groups")), Port: groupVars(r.root.Get("vars.port-groups"))}
}

// groupVars reads the variables of one kind.
func groupVars(n *conf.Node) map[string]string {
	m := map[string]string{}
	for _, v := range n.Children() {
		text := v.Str("")
		if v.IsList() {
			text = "[" + strings.Join(v.Strings(), ",") + "]"
		}
		m[v.Name()] = text
	}
	return m
}

// ruleFiles lists the files of rule-files below default-rule-path, with wildcards resolved.
func ruleFiles(root *conf.Node) ([]string, []error) {
	return ruleFilesOf(root.Get("rule-files"), root.Get("default-rule-path").Str(""))
}

// ruleFilesOf lists the files of a list of them below a folder, with wildcards resolved.
func ruleFilesOf(list *conf.Node, dir string) ([]string, []error) {
	var files []string
	var errs []error
	for _, name := range list.Strings() {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if strings.ContainsAny(path, "*?[") {
			found, err := filepath.Glob(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("rule-files: %s: %w", name, err))
			}
			files = append(files, found...)
			continue
		}
		if _, err := os.Stat(path); err != nil {
			errs = append(errs, fmt.Errorf("cannot open rule file %s: %w", path, err))
			continue
		}
		files = append(files, path)
	}
	return files, errs
}
