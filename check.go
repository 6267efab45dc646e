package sentinel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sentinel/internal/conf"
	"sentinel/stream/app/all"
)

// doneKeys are the keys and whole sections of the configuration that the engine carries out, in the catalogue's form: * is
// one word, and a key stands for everything below it. What is not here is named once at start.
var doneKeys = []string{
	"suricata-version", "include",
	"vars", "default-log-dir", "sensor-name", "sensor-id", "runmode", "max-pending-packets", "packet-alert-max",
	"exception-policy", "ips", "mpm-algo", "spm-algo", "pcre",
	"default-rule-path", "rule-files", "classification-file", "reference-config-file", "threshold-file",
	"engine.init-failure-fatal",
	"unix-command", "run-as", "multi-detect", "host.memcap", "pcap-file.tenant-id",

	"stats.enabled", "stats.interval",
	"logging.default-log-level", "logging.default-log-format", "logging.default-output-filter",
	"logging.outputs.console", "logging.outputs.file", "logging.outputs.syslog.enabled",

	"outputs.fast.enabled", "outputs.fast.filename", "outputs.fast.append", "outputs.fast.filetype",
	"outputs.stats",
	"reputation-categories-file", "reputation-files", "default-reputation-path",
	"datasets",
	"outputs.eve-log.enabled", "outputs.eve-log.filetype", "outputs.eve-log.filename", "outputs.eve-log.append",
	"outputs.eve-log.filemode", "outputs.eve-log.rotate-interval", "outputs.eve-log.threaded", "outputs.eve-log.prefix",
	"outputs.eve-log.type", "outputs.eve-log.identity", "outputs.eve-log.facility", "outputs.eve-log.level",
	"outputs.eve-log.metadata", "outputs.eve-log.ethernet", "outputs.eve-log.suricata-version",
	"outputs.eve-log.pcap-file", "outputs.eve-log.community-id", "outputs.eve-log.community-id-seed",
	"outputs.eve-log.sensor-id", "outputs.eve-log.sensor-name", "outputs.eve-log.ipv6-compress", "outputs.eve-log.xff",
	"outputs.eve-log.types.alert", "outputs.eve-log.types.anomaly", "outputs.eve-log.types.arp",
	"outputs.eve-log.types.dns", "outputs.eve-log.types.drop", "outputs.eve-log.types.files", "outputs.eve-log.types.flow",
	"outputs.eve-log.types.frame", "outputs.eve-log.types.http", "outputs.eve-log.types.http2", "outputs.eve-log.types.netflow",
	"outputs.eve-log.types.smtp", "outputs.eve-log.types.stats", "outputs.eve-log.types.tls",

	"af-packet.interface", "af-packet.threads", "af-packet.cluster-id", "af-packet.cluster-type", "af-packet.defrag",
	"af-packet.use-mmap", "af-packet.tpacket-v3", "af-packet.block-size", "af-packet.block-timeout",
	"af-packet.ring-size", "af-packet.disable-promisc", "af-packet.bpf-filter", "af-packet.copy-mode",
	"af-packet.copy-iface", "af-packet.live-interface", "af-packet.v2-block-size", "af-packet.use-emergency-flush",
	"af-packet.mmap-locked", "af-packet.buffer-size", "af-packet.checksum-checks", "af-packet.enable-hwtimestamp",
	"af-packet.ebpf-lb-file", "af-packet.ebpf-filter-file", "af-packet.rollover", "capture.disable-offloading",
	"pcap.interface", "pcap.buffer-size", "pcap.bpf-filter", "pcap.checksum-checks", "pcap.threads", "pcap.promisc", "pcap.snaplen",
	"af-xdp.interface", "af-xdp.threads", "af-xdp.disable-promisc", "af-xdp.force-xdp-mode", "af-xdp.force-bind-mode",
	"af-xdp.mem-unaligned", "af-xdp.enable-busy-poll", "af-xdp.busy-poll-time", "af-xdp.busy-poll-budget",
	"af-xdp.gro-flush-timeout", "af-xdp.napi-defer-hard-irq", "af-xdp.checksum-checks", "af-xdp.bpf-filter",
	"af-xdp.copy-mode", "af-xdp.copy-iface", "af-xdp.live-interface",
	"dpdk",
	"pcap-file.recursive", "pcap-file.continuous", "pcap-file.delay", "pcap-file.poll-interval", "pcap-file.delete-when-done", "bpf-filter", "nfq",
	"af-packet.bypass", "af-packet.xdp-mode", "af-packet.xdp-filter-file", "af-packet.pinned-maps", "af-packet.pinned-maps-name",
	"af-packet.use-percpu-hash", "af-xdp.bypass", "bypass", "early-drop", "flow.elephant",

	"app-layer.error-policy",
	"app-layer.protocols.*.enabled", "app-layer.protocols.*.detection-ports", "app-layer.protocols.dns",
	"app-layer.protocols.http", "app-layer.protocols.http2", "app-layer.protocols.smtp", "app-layer.protocols.tls",
	"app-layer.protocols.*.stream-depth",

	"host-os-policy",
	"defrag.memcap", "defrag.memcap-policy", "defrag.hash-size", "defrag.trackers", "defrag.max-frags", "defrag.timeout",
	"flow.memcap", "flow.memcap-policy", "flow.hash-size", "flow.prealloc", "flow.emergency-recovery",
	"flow.rate-tracking", "flow-timeouts", "vlan", "livedev",
	"stream.memcap", "stream.memcap-policy", "stream.checksum-validation", "stream.midstream", "stream.midstream-policy",
	"stream.async-oneside", "stream.prealloc-sessions", "stream.max-syn-queued", "stream.max-synack-queued",
	"stream.bypass", "stream.drop-invalid", "stream.inline", "stream.liberal-timestamps",
	"stream.reassembly",
	"decoder.teredo", "decoder.vxlan", "decoder.geneve", "decoder.max-layers", "decoder.recursion-level",

	"detect.inspection-recursion-limit", "detect.stream-tx-log-limit", "detect.guess-applayer-tx",
	"detect.prefilter", "detect.sgh-mpm-caching", "detect.thresholds.memcap",

	"run-as", "pid-file", "daemon-directory", "umask", "coredump.max-dump",
	"security.limit-noproc", "security.landlock", "threading",
	"engine-analysis", "detect.profiling.grouping",
}

// harmlessKeys shape how Suricata spends memory and CPU, and have no counterpart here: what they ask for is met
// without them, so that naming them would only distract.
var harmlessKeys = []string{
	"detect.profile", "detect.custom-values", "detect.sgh-mpm-context", "detect.grouping", "detect.delayed-detect",
	"detect.profiling", "autofp-scheduler", "default-packet-size", "delayed-detect", "profiling",
	"host.hash-size", "host.prealloc", "ippair.hash-size", "ippair.prealloc", "defrag.prealloc",
	"flow.managers", "flow.recyclers", "stream.max-sessions", "legacy.uricontent",
	"outputs.eve-log.json", "af-packet.disable-hwtimestamp",
	"pcap-file.buffer-size", "logging.stacktrace-on-signal",
}

// keySet answers which paths are covered by a list of keys.
type keySet struct {
	exact map[string]bool
	any   [][]string // those with *
}

func newKeySet(lists ...[]string) *keySet {
	s := &keySet{exact: map[string]bool{}}
	for _, list := range lists {
		for _, k := range list {
			if strings.Contains(k, "*") {
				s.any = append(s.any, strings.Split(k, "."))
			} else {
				s.exact[k] = true
			}
		}
	}
	return s
}

// has reports whether the path or a section that it is in is in the set.
func (s *keySet) has(path string) bool {
	for p := path; ; {
		if s.exact[p] {
			return true
		}
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	if len(s.any) == 0 {
		return false
	}
	parts := strings.Split(path, ".")
	for _, key := range s.any {
		if covers(key, parts) {
			return true
		}
	}
	return false
}

func covers(key, path []string) bool {
	if len(path) < len(key) {
		return false
	}
	for i, k := range key {
		if k != "*" && k != path[i] {
			return false
		}
	}
	return true
}

// checkKeys warns of keys that nothing knows, and names those that are known but not carried out yet: together in one line,
// each with its place on the level of details.
func (e *Engine) checkKeys() {
	protocols := protocolKeys()
	done := newKeySet(doneKeys, harmlessKeys, protocols)
	own := newKeySet(protocols)
	notYet, unknown := e.tree.Check(done.has)
	for _, u := range unknown {
		if own.has(withoutIndices(u.Path)) {
			continue // of a protocol that the catalogue has not heard of
		}
		e.log.Warn().Str("module", "conf").Msg(u.String())
	}
	e.checkTransports()
	notYet = dropOff(e.tree, notYet)
	if len(notYet) == 0 {
		return
	}
	say := e.log.Info()
	if e.opt.ConfigFile != "" || e.opt.Config != nil {
		say = e.log.Log()
	}
	say.Str("module", "conf").Msg(conf.Summary(notYet))
	for _, k := range notYet {
		e.log.Debug().Str("module", "conf").Str("level", "config").Msg(fmt.Sprintf("%s:%d: %s has no effect yet", k.File, k.Line, k.Path))
	}
}

// checkTransports warns of protocols that are switched on as a whole and off for a transport, or the other way round.
func (e *Engine) checkTransports() {
	on := func(n *conf.Node) bool { return n.IsTrue() || strings.EqualFold(n.Str(""), "detection-only") }
	word := map[bool]string{true: "TRUE", false: "FALSE"}
	for _, p := range all.Protocols() {
		name := p.Name
		if p.Section != "" {
			name = p.Section
		}
		whole := e.tree.Get("app-layer.protocols." + name + ".enabled")
		for _, transport := range []string{"tcp", "udp"} {
			part := e.tree.Get("app-layer.protocols." + name + "." + transport + ".enabled")
			if whole.Exists() && part.Exists() && on(whole) != on(part) {
				e.log.Warn().Str("module", "app-layer-detect-proto").Msgf(
					"Inconsistent global (%s) and respective ipproto (%s) settings found for alproto %s and ipproto %s",
					word[on(whole)], word[on(part)], name, transport)
			}
		}
	}
}

// protocolKeys are the keys that come with each protocol: its event type, and how it is recognised.
func protocolKeys() []string {
	var keys []string
	for _, p := range all.Protocols() {
		for _, name := range []string{p.Name, p.EVE, p.Section} {
			if name == "" {
				continue
			}
			keys = append(keys, "outputs.eve-log.types."+name, "app-layer.protocols."+name+".enabled",
				"app-layer.protocols."+name+".detection-ports", "app-layer.protocols."+name+".stream-depth")
		}
	}
	return keys
}

// withoutIndices drops the indices of list elements from a path.
func withoutIndices(path string) string {
	var out []string
	for _, part := range strings.Split(path, ".") {
		if strings.Trim(part, "0123456789") != "" {
			out = append(out, part)
		}
	}
	return strings.Join(out, ".")
}

// dropOff leaves out sections that are switched off: not to carry those out is what they ask for.
func dropOff(t *conf.Tree, keys []conf.Key) []conf.Key {
	var out []conf.Key
	for _, k := range keys {
		if !off(t, k.Path) {
			out = append(out, k)
		}
	}
	return out
}

func off(t *conf.Tree, path string) bool {
	n := t.Get(path)
	if n.IsFalse() {
		return true
	}
	for p := path; p != ""; {
		if t.Get(p + ".enabled").IsFalse() {
			return true
		}
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return false
}

// Warn puts a warning into the engine's log.
func (e *Engine) Warn(text string) { e.log.Warn().Msg(text) }

// ReportLoaded logs what came of the rules, in the words that Suricata's users and their scripts know.
func (e *Engine) ReportLoaded() {
	if !e.detects {
		return
	}
	l := e.Loaded()
	if e.reportRules(&l) {
		e.log.Info().Str("module", "detect").Msgf("%d signatures processed, in %.3f seconds", l.Rules, l.Took.Seconds())
	}
}

// reportRules logs how many rules were loaded. It reports whether there were rules to load.
func (e *Engine) reportRules(l *Loaded) bool {
	switch {
	case l.Files == 0 && l.Rules == 0 && l.Failed == 0:
		e.log.Info().Str("module", "detect").Msg("No signatures supplied.")
		return false
	case l.Rules == 0:
		e.log.Warn().Str("module", "detect").Msgf("%d rule files specified, but no rules were loaded!", l.Files)
	default:
		e.log.Info().Str("module", "detect").Msgf("%d rule files processed. %d rules successfully loaded, %d rules failed, %d rules skipped",
			l.Files, l.Rules, l.Failed, l.Skipped)
	}
	if l.Failed > 0 {
		e.log.Log().Str("module", "rules").Msg("rules refused, by keyword: " + l.byKeyword())
	}
	return true
}

// byKeyword lists how many rules were refused for each keyword, most first.
func (l *Loaded) byKeyword() string {
	words := slices.SortedFunc(maps.Keys(l.ByWord), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.ByWord[b], l.ByWord[a]), cmp.Compare(a, b))
	})
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %d", cmp.Or(w, "form"), l.ByWord[w])
	}
	return b.String()
}
