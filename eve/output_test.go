package eve_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/eve"
	"sentinel/internal/counter"
	"sentinel/internal/jsonw"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

const everything = `
outputs:
  - eve-log:
      enabled: yes
      community-id: yes
      ethernet: yes
      types: [alert, drop, anomaly: {types: {decode: yes, stream: yes}, packethdr: yes}, arp, flow, netflow, files, http, dns, tls]
`

// collect opens an Output that writes no files, and returns where its events go.
func collect(t testing.TB, text string, change func(*eve.Options)) (*eve.Output, *bytes.Buffer) {
	t.Helper()
	var got bytes.Buffer
	o := eve.Options{Registry: registry, NoFiles: true, OnEvent: func(line []byte) { got.Write(line) }}
	if text != "" {
		o.Root = tree(t, text)
	}
	if change != nil {
		change(&o)
	}
	out, err := eve.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out, &got
}

func addr(b ...byte) (a decode.Addr) {
	copy(a[:], b)
	return a
}

func udpUnit() (*stream.Unit, []detect.Alert) {
	p := &decode.Packet{Parent: -1, Time: 1700000000123456789, Layers: decode.HasIPv4 | decode.HasUDP | decode.HasEthernet, IPVersion: 4,
		Proto: 17, Src: addr(192, 0, 2, 1), Dst: addr(198, 51, 100, 2), SrcPort: 1234, DstPort: 53, Payload: []byte("hello\x00\"world\""),
		Data: make([]byte, 60), SrcMAC: [6]byte{2, 0, 0, 0, 0, 1}, DstMAC: [6]byte{2, 0, 0, 0, 0, 2}, EtherType: 0x800}
	f := &flow.Flow{Key: flow.Key{Src: p.Src, Dst: p.Dst, SrcPort: 1234, DstPort: 53, Proto: 17, IPVersion: 4}, ID: 42,
		Start: p.Time, Last: p.Time + 2e9, Pkts: [2]uint64{3, 1}, Bytes: [2]uint64{180, 60}, State: flow.Established}
	r := &detect.Meta{SID: 9, GID: 1, Rev: 2, Msg: "m", Priority: 1, Action: rules.Alert, ClassText: "c",
		Metadata: []detect.KeyValues{{Key: "b", Values: []string{"x"}}, {Key: "A", Values: []string{"1", "2"}}}}
	return &stream.Unit{Packet: p, Flow: f, Now: p.Time, Count: 7}, []detect.Alert{{Rule: r, Action: rules.Alert}}
}

func events(t *testing.T, b *bytes.Buffer) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, m)
	}
	b.Reset()
	return list
}

// at returns the value at a dotted path.
func at(m any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		o, ok := m.(map[string]any)
		if !ok {
			return nil
		}
		m = o[key]
	}
	return m
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestFields(t *testing.T) {
	tests := []struct {
		name, conf string
		change     func(*eve.Options)
		unit       func(u *stream.Unit, a *detect.Alert)
		want       map[string]string // path: JSON
	}{
		{"plain alert", everything, nil, nil, map[string]string{"event_type": `"alert"`, "flow_id": "42", "pcap_cnt": "7", "ip_v": "4",
			"src_ip": `"192.0.2.1"`, "src_port": "1234", "dest_ip": `"198.51.100.2"`, "dest_port": "53", "proto": `"UDP"`,
			"pkt_src": `"wire/pcap"`, "alert.action": `"allowed"`, "alert.metadata": `{"A":["2","1"],"b":["x"]}`,
			"direction": `"to_server"`, "flow.src_ip": `"192.0.2.1"`, "ether.src_mac": `"02:00:00:00:00:01"`, "host": "null"}},
		{"to client", everything, nil, func(u *stream.Unit, a *detect.Alert) { u.Dir = flow.ToClient }, map[string]string{
			"src_ip": `"192.0.2.1"`, "direction": `"to_client"`, "flow.src_ip": `"198.51.100.2"`, "flow.src_port": "53"}},
		{"metadata off", `outputs: [eve-log: {enabled: yes, types: [alert: {metadata: no}]}]`, nil, nil,
			map[string]string{"flow": "null", "alert.metadata": "null"}},
		{"payload", `outputs: [eve-log: {enabled: yes, types: [alert: {payload: yes, payload-printable: yes, payload-length: yes, packet: yes}]}]`, nil, nil,
			map[string]string{"payload": `"aGVsbG8AIndvcmxkIg=="`, "payload_printable": `"hello.\"world\""`, "payload_length": "13", "stream": "0"}},
		{"sensor", `{sensor-name: s1, outputs: [eve-log: {enabled: yes, sensor-id: 3, suricata-version: yes, pcap-file: yes, types: [alert]}]}`,
			func(o *eve.Options) { o.Version = "9.0.0"; o.File = func() string { return "x.pcap" } }, nil,
			map[string]string{"host": `"s1"`, "sensor_id": "3", "suricata_version": `"9.0.0"`, "pcap_filename": `"x.pcap"`}},
		{"live", `outputs: [eve-log: {enabled: yes, pcap-file: yes, types: [alert]}]`,
			func(o *eve.Options) {
				o.File = func() string { return "" }
				o.Iface = func(i uint16) string { return "eth" + string('0'+rune(i)) }
			}, func(u *stream.Unit, a *detect.Alert) { u.Flow.Iface = 1 },
			map[string]string{"pcap_filename": "null", "in_iface": `"eth1"`}},
		{"IPv6 in full", everything, nil, func(u *stream.Unit, a *detect.Alert) { sixth(u) },
			map[string]string{"src_ip": `"2001:0db8:0000:0000:0000:0000:0000:0001"`, "ip_v": "6"}},
		{"IPv6 compressed", `outputs: [eve-log: {enabled: yes, ipv6-compress: yes, types: [alert]}]`, nil,
			func(u *stream.Unit, a *detect.Alert) { sixth(u) }, map[string]string{"src_ip": `"2001:db8::1"`, "flow.dest_ip": `"2001:db8::2"`}},
		{"drop in IDS mode", everything, nil, func(u *stream.Unit, a *detect.Alert) { a.Action = rules.Drop }, map[string]string{"alert.action": `"allowed"`}},
		{"reject in IDS mode", everything, nil, func(u *stream.Unit, a *detect.Alert) { a.Action = rules.Reject }, map[string]string{"alert.action": `"blocked"`}},
		{"drop in IPS mode", everything, func(o *eve.Options) { o.IPS = true }, func(u *stream.Unit, a *detect.Alert) { a.Action = rules.Drop },
			map[string]string{"alert.action": `"blocked"`}},
		{"rate filter", everything, nil, func(u *stream.Unit, a *detect.Alert) {
			a.Flags, u.Action = detect.RateFiltered, stream.DropPacket
		}, map[string]string{"alert.action": `"blocked"`}},
		{"verdict of a reject", `outputs: [eve-log: {enabled: yes, types: [alert: {verdict: yes}]}]`, nil,
			func(u *stream.Unit, a *detect.Alert) { u.Action = stream.RejectSrc | stream.RejectDst },
			map[string]string{"verdict": `{"action":"alert","reject":["icmp-prohib"],"reject_target":"both"}`}},
		{"verdict of a pass", `outputs: [eve-log: {enabled: yes, types: [alert: {verdict: yes}]}]`, nil,
			func(u *stream.Unit, a *detect.Alert) { u.Action = stream.PassPacket }, map[string]string{"verdict.action": `"pass"`}},
		{"no VLAN", everything, nil, nil, map[string]string{"vlan": "null"}},
		{"VLAN", everything, nil, func(u *stream.Unit, a *detect.Alert) {
			u.Packet.VLAN, u.Packet.VLANCount = [3]uint16{5, 6}, 2
		}, map[string]string{"vlan": "[5,6]"}},
		{"parent", everything, nil, func(u *stream.Unit, a *detect.Alert) { u.Flow.Parent = 41 }, map[string]string{"parent_id": "41"}},
		{"no flow", everything, nil, func(u *stream.Unit, a *detect.Alert) { u.Flow = nil },
			map[string]string{"flow_id": "null", "direction": "null", "community_id": "null"}},
		{"target", everything, nil, func(u *stream.Unit, a *detect.Alert) { a.Rule.Target = detect.SrcIP },
			map[string]string{"alert.target": `{"ip":"192.0.2.1","port":1234}`, "alert.source": `{"ip":"198.51.100.2","port":53}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, got := collect(t, tt.conf, tt.change)
			u, alerts := udpUnit()
			if tt.unit != nil {
				tt.unit(u, &alerts[0])
			}
			out.NewWorker(0).Packet(u, alerts)
			list := events(t, got)
			if len(list) == 0 {
				t.Fatal("no event")
			}
			for path, want := range tt.want {
				if v := text(at(list[0], path)); v != want {
					t.Errorf("%s is %s, want %s", path, v, want)
				}
			}
		})
	}
}

// sixth makes the addresses of a unit IPv6.
func sixth(u *stream.Unit) {
	p, f := u.Packet, u.Flow
	p.Src, p.Dst = decode.Addr{0x20, 1, 0xd, 0xb8, 15: 1}, decode.Addr{0x20, 1, 0xd, 0xb8, 15: 2}
	p.IPVersion, p.Layers = 6, p.Layers&^decode.HasIPv4|decode.HasIPv6
	f.Src, f.Dst, f.IPVersion = p.Src, p.Dst, 6
}

// TestCommunityID compares with the specification's own examples (github.com/corelight/community-id-spec, baseline).
func TestCommunityID(t *testing.T) {
	tests := []struct {
		src, dst decode.Addr
		sp, dp   uint16
		proto    uint8
		want     string
	}{
		{addr(128, 232, 110, 120), addr(66, 35, 250, 204), 34855, 80, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{addr(66, 35, 250, 204), addr(128, 232, 110, 120), 80, 34855, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{addr(192, 168, 1, 52), addr(8, 8, 8, 8), 54585, 53, 17, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{addr(192, 168, 0, 89), addr(192, 168, 0, 1), 8, 0, 1, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	}
	for _, tt := range tests {
		out, got := collect(t, everything, nil)
		f := &flow.Flow{Key: flow.Key{Src: tt.src, Dst: tt.dst, SrcPort: tt.sp, DstPort: tt.dp, Proto: tt.proto, IPVersion: 4}}
		out.NewWorker(0).FlowEnd(f, nil, nil)
		if v := at(events(t, got)[0], "community_id"); v != tt.want {
			t.Errorf("%v:%d -> %v:%d: %v, want %s", tt.src[:4], tt.sp, tt.dst[:4], tt.dp, v, tt.want)
		}
	}
}

func TestFlowRecord(t *testing.T) {
	out, got := collect(t, everything, func(o *eve.Options) { o.Policies[stream.TargetMidstream] = stream.PassWholeFlow })
	u, _ := udpUnit()
	f := u.Flow
	f.Flags = flow.HasAlerts | flow.ActionPass | flow.Elephant | flow.ElephantTC
	f.Exception = 1<<stream.TargetMidstream | 1<<stream.TargetAppError
	f.Reason = flow.ReasonTimeout
	f.App, f.AppDir = registry.ID("dns"), [2]flow.ProtoID{registry.ID("dns"), flow.ProtoFailed}
	f.Bypassed[1].Pkts, f.Bypassed[1].Bytes = 5, 500
	w := out.NewWorker(0)
	w.SetTime(f.Last + 30e9)
	w.FlowEnd(f, nil, nil)
	list := events(t, got)
	if len(list) != 3 {
		t.Fatalf("%d records, want one of the flow and two of its directions", len(list))
	}
	for path, want := range map[string]string{
		"app_proto": `"dns"`, "app_proto_tc": `"failed"`, "flow.age": "2", "flow.state": `"established"`, "flow.reason": `"timeout"`,
		"flow.alerted": "true", "flow.action": `"pass"`, "flow.elephant_direction": `["toclient"]`, "flow.pkts_toclient": "6",
		"flow.bypassed.bytes_toclient": "500", "ip_v": "4",
		"flow.exception_policy": `[{"policy":"pass_flow","target":"stream_midstream"},{"policy":"ignore","target":"app_layer_error"}]`,
	} {
		if v := text(at(list[0], path)); v != want {
			t.Errorf("%s is %s, want %s", path, v, want)
		}
	}
	if a, b := at(list[1], "src_ip"), at(list[2], "src_ip"); a != "192.0.2.1" || b != "198.51.100.2" {
		t.Errorf("netflow from %v and from %v", a, b)
	}
}

// TestDropFlows sees that a dropped flow is reported once a direction, unless all packets are wanted.
func TestDropFlows(t *testing.T) {
	for conf, want := range map[string]int{"start": 2, "all": 4} {
		out, got := collect(t, "outputs: [eve-log: {enabled: yes, types: [drop: {flows: "+conf+"}]}]", func(o *eve.Options) { o.IPS = true })
		w := out.NewWorker(0)
		u, _ := udpUnit()
		u.Flow.Flags |= flow.ActionDrop
		for _, d := range []flow.Dir{0, 1, 0, 1} {
			v := *u
			v.Dir = d
			v.Drop(stream.DropPacket, stream.DropFlowDrop)
			w.Packet(&v, nil)
		}
		if n := len(events(t, got)); n != want {
			t.Errorf("%s: %d events, want %d", conf, n, want)
		}
	}
}

// TestInstances sees that eve-logs get the events they ask for, and share what is equal.
func TestInstances(t *testing.T) {
	dir := t.TempDir()
	root := tree(t, `
outputs:
  - eve-log: {enabled: yes, filename: a.json, types: [alert, flow]}
  - eve-log: {enabled: yes, filename: b.json, prefix: "@cee: ", types: [alert]}
  - eve-log: {enabled: yes, filename: sub/c.json, community-id: yes, types: [alert]}
  - eve-log: {enabled: no, filename: d.json, types: [alert]}
`)
	seen := 0
	out, err := eve.Open(eve.Options{Root: root, Registry: registry, Dir: dir, OnEvent: func([]byte) { seen++ }})
	if err != nil {
		t.Fatal(err)
	}
	u, alerts := udpUnit()
	w := out.NewWorker(0)
	w.Packet(u, alerts)
	w.FlowEnd(u.Flow, nil, nil)
	if n := w.Counts().Events[eve.TypeAlert]; n != 2 {
		t.Errorf("%d alerts were built, want 2: one that two files share, and one with a community id", n)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if seen != 2 {
		t.Errorf("OnEvent saw %d events, want an alert and a flow", seen)
	}
	a, b, c := string(read(t, filepath.Join(dir, "a.json"))), string(read(t, filepath.Join(dir, "b.json"))), string(read(t, filepath.Join(dir, "sub/c.json")))
	if first, _, _ := strings.Cut(a, "\n"); b != "@cee: "+first+"\n" || strings.Count(a, "\n") != 2 {
		t.Errorf("a.json %q\nb.json %q", a, b)
	}
	if !strings.Contains(c, "community_id") || strings.Contains(a, "community_id") {
		t.Errorf("c.json %q", c)
	}
	if _, err := os.Stat(filepath.Join(dir, "d.json")); err == nil {
		t.Error("a disabled output has a file")
	}
}

func TestThreaded(t *testing.T) {
	dir := t.TempDir()
	out, err := eve.Open(eve.Options{Root: tree(t, `outputs: [eve-log: {enabled: yes, threaded: yes, types: [alert]}]`), Dir: dir, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	for id := range 2 {
		u, alerts := udpUnit()
		out.NewWorker(id).Packet(u, alerts)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eve.1.json", "eve.2.json"} {
		if n := bytes.Count(read(t, filepath.Join(dir, name)), []byte("\n")); n != 1 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "eve.json")
	out, err := eve.Open(eve.Options{Root: tree(t, `outputs: [eve-log: {enabled: yes, types: [alert]}]`), Dir: dir, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := out.NewWorker(0)
	for range 2 {
		u, alerts := udpUnit()
		w.Packet(u, alerts)
		w.Flush()
		os.Rename(path, path+".old")
		if err := out.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(read(t, path+".old"), []byte("\n")); n != 1 {
		t.Errorf("the second file has %d lines", n)
	}
}

// TestDiskFull sees one clear error, and that processing goes on.
func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full: ", err)
	}
	var log bytes.Buffer
	out, err := eve.Open(eve.Options{Registry: registry, Log: zerolog.New(&log),
		Root: tree(t, `outputs: [eve-log: {enabled: yes, filename: /dev/full, types: [alert]}]`)})
	if err != nil {
		t.Fatal(err)
	}
	w := out.NewWorker(0)
	for range 3 {
		u, alerts := udpUnit()
		w.Packet(u, alerts)
		if err := w.Flush(); err == nil {
			t.Error("Flush returned no error")
		}
	}
	if err := out.Err(); err == nil || !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("Err is %v", err)
	}
	if out.Lost() != 3 {
		t.Errorf("lost %d, want 3", out.Lost())
	}
	if err := out.Close(); err == nil || !strings.Contains(err.Error(), "3 lines lost") {
		t.Errorf("Close returned %v", err)
	}
	if n := strings.Count(log.String(), `"level":"error"`); n != 1 {
		t.Errorf("%d errors were logged, want 1:\n%s", n, log.String())
	}
}

func TestBadConfiguration(t *testing.T) {
	for _, tt := range []struct{ conf, want string }{
		{`outputs: [eve-log: {enabled: yes, filetype: redis, types: [alert]}]`, "redis"},
		{`outputs: [eve-log: {enabled: yes, filename: /proc/none/eve.json, types: [alert]}]`, "/proc/none"},
		{`outputs: [eve-log: {enabled: yes, community-id-seed: 70000, types: [alert]}]`, "community-id-seed"},
		{`outputs: [eve-log: {enabled: yes, types: [files: {force-hash: [crc]}]}]`, "crc"},
		{`outputs: [eve-log: {enabled: yes, types: [alert: {payload-buffer-size: 0}]}]`, "payload-buffer-size"},
		{`outputs: [eve-log: {enabled: yes, threaded: yes, filetype: unix_stream, types: [alert]}]`, "threaded"},
		{`{stats: {enabled: no}, outputs: [stats: {enabled: yes}]}`, "stats.enabled"},
		{`outputs: [fast: {enabled: yes, filemode: rw}]`, "filemode"},
	} {
		_, err := eve.Open(eve.Options{Root: tree(t, tt.conf), Registry: registry, Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not tell of %s", tt.conf, err, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	out, _ := collect(t, `
outputs:
  - eve-log:
      enabled: yes
      types:
        - tls: {custom: [ja3, ja4]}
        - files: {force-magic: yes, force-hash: [md5]}
        - stats
`, nil)
	if !out.Wants("ja3") || !out.Wants("ja4") || !out.Wants("file.magic") || out.Wants("tea") {
		t.Error("Wants is wrong")
	}
	if f := out.FileFlags(); f&file.WantMD5 == 0 || f&file.WantSHA256 != 0 {
		t.Errorf("file flags %x", f)
	}
	if out.StatsInterval() != 8*time.Second {
		t.Errorf("statistics every %v", out.StatsInterval())
	}
	if out.Mask(registry.ID("tls"))&1 == 0 || out.Mask(registry.ID("dns"))&1 != 0 || out.Mask(registry.ID("dns")) == 0 {
		t.Errorf("masks %x and %x: dns is not logged, but its files are", out.Mask(registry.ID("tls")), out.Mask(registry.ID("dns")))
	}
	none, _ := collect(t, "outputs: []", func(o *eve.Options) { o.OnEvent = nil })
	if none.StatsInterval() != 0 || none.Mask(registry.ID("dns")) != 0 {
		t.Error("without outputs there is something to do")
	}
}

// TestLibrary sees that a library user gets events without any configuration.
func TestLibrary(t *testing.T) {
	out, got := collect(t, "", nil)
	newEngine(t, out, nil, false, nil).file("dns.pcap")
	kinds := map[string]int{}
	for _, e := range events(t, got) {
		kinds[e["event_type"].(string)]++
	}
	if kinds["dns"] == 0 || kinds["flow"] == 0 {
		t.Errorf("events %v", kinds)
	}
}

type vars struct{}

func (vars) Captured() bool { return true }

func (vars) Append(_ *flow.Flow, _ bool, b *jsonw.Builder) {
	b.OpenObject("metadata")
	b.OpenArray("flowbits")
	b.ElemString("x")
	b.Close()
	b.Close()
}

func TestVars(t *testing.T) {
	for yes, want := range map[string]string{"yes": `["x"]`, "no": "null"} {
		out, got := collect(t, "outputs: [eve-log: {enabled: yes, metadata: "+yes+", types: [flow]}]", nil)
		u, _ := udpUnit()
		w := out.NewWorker(0)
		w.SetVars(vars{})
		w.FlowEnd(u.Flow, nil, nil)
		if v := text(at(events(t, got)[0], "metadata.flowbits")); v != want {
			t.Errorf("metadata %s: %s, want %s", yes, v, want)
		}
	}
}

func TestMetadata(t *testing.T) {
	out, got := collect(t, "outputs: [eve-log: {enabled: yes, metadata: no, types: [metadata]}]", nil)
	u, _ := udpUnit()
	w := out.NewWorker(0)
	w.Packet(u, nil)
	if n := len(events(t, got)); n != 0 {
		t.Errorf("%d events without variables", n)
	}
	w.SetVars(vars{})
	w.Packet(u, nil)
	if list := events(t, got); len(list) != 1 || text(at(list[0], "metadata.flowbits")) != `["x"]` {
		t.Errorf("events %v", list)
	}
}

func TestStats(t *testing.T) {
	zone(t, time.UTC)
	dir := t.TempDir()
	out, err := eve.Open(eve.Options{Registry: registry, Dir: dir, Root: tree(t, `
outputs:
  - eve-log: {enabled: yes, types: [stats: {threads: yes, deltas: yes}]}
  - stats: {enabled: yes, threads: yes}
`)})
	if err != nil {
		t.Fatal(err)
	}
	out.SetEngines(func(b *jsonw.Builder) {
		b.OpenArray("engines")
		b.StartObject()
		b.Uint("id", 0)
		b.Close()
		b.Close()
	})
	r := counter.NewRegistry()
	pkts, alerts := r.Register("decoder.pkts", counter.Sum), r.Register("detect.alert", counter.Sum)
	r.Register("decoder.bytes", counter.Sum)
	set := r.NewSet("W#01")
	set.Add(pkts, 3)
	set.Add(alerts, 1)
	var s counter.Snapshot
	r.Snapshot(&s)
	out.Stats(&s, 1700000000000000000)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	want := `{"timestamp":"2023-11-14T22:13:20.000000+0000","event_type":"stats","stats":{"uptime":0,` +
		`"decoder":{"pkts":3,"pkts_delta":3,"bytes":0,"bytes_delta":0},"detect":{"engines":[{"id":0}],"alert":1,"alert_delta":1},` +
		`"threads":{"W#01":{"decoder":{"pkts":3,"pkts_delta":3,"bytes":0,"bytes_delta":0},"detect":{"engines":[{"id":0}],"alert":1,"alert_delta":1}}}}}` + "\n"
	if got := string(read(t, filepath.Join(dir, "eve.json"))); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	table := string(read(t, filepath.Join(dir, "stats.log")))
	for _, line := range []string{
		"Date: 11/14/2023 -- 22:13:20 (uptime: 0d, 00h 00m 00s)\n",
		"Counter                                                      | TM Name                   | Value\n",
		"decoder.pkts                                                 | Total                     | 3\n",
		"decoder.pkts                                  | W#01                      | 3\n",
	} {
		if !strings.Contains(table, line) {
			t.Errorf("stats.log lacks %q:\n%s", line, table)
		}
	}
	if strings.Contains(table, "decoder.bytes") {
		t.Error("stats.log has a zero")
	}
}
