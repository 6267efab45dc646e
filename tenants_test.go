package sentinel

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sentinel/capture/sim"
)

// tagged is a frame with VLAN tags, outer first.
func tagged(frame []byte, vlans ...uint16) []byte {
	out := append([]byte(nil), frame[:12]...)
	for _, v := range vlans {
		out = append(out, 0x81, 0, byte(v>>8), byte(v))
	}
	return append(out, frame[12:]...)
}

// tenantFiles writes the configurations of two tenants, whose rules differ in their ids and in HOME_NET.
func tenantFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for id, home := range map[int]string{1: "10.0.0.1", 2: "10.0.0.2"} {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%d.yaml", id)), fmt.Sprintf(`%%YAML 1.1
---
default-rule-path: %s
rule-files: [%d.rules]
vars:
  address-groups:
    HOME_NET: "%s"
`, dir, id, home))
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%d.rules", id)), fmt.Sprintf(
			`alert udp $HOME_NET any -> any any (msg:"of tenant %d"; content:"word"; threshold:type limit, track by_rule, count 3, seconds 600; sid:%d;)`+"\n", id, id))
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tenantEvent is what events say of tenants.
type tenantEvent struct {
	Type   string   `json:"event_type"`
	VLAN   []uint16 `json:"vlan"`
	Tenant uint32   `json:"tenant_id"`
	Src    string   `json:"src_ip"`
	Alert  struct {
		SID    int    `json:"signature_id"`
		Tenant uint32 `json:"tenant_id"`
	} `json:"alert"`
}

// tenantConfig is a configuration with two tenants.
func tenantConfig(dir, selector, more string) []byte {
	return []byte(fmt.Sprintf(`%%YAML 1.1
---
vlan:
  use-for-tracking: true
multi-detect:
  enabled: yes
  selector: %s
  loaders: 2
  config-path: %s
  tenants:
  - id: 1
    yaml: 1.yaml
  - id: 2
    yaml: 2.yaml
%s
outputs:
- eve-log:
    enabled: yes
    types: [alert, flow]
`, selector, dir, more))
}

// The expectations are what Suricata 8.0.7 says of the same packets and rules, but for VLAN 77, whose tenant does not exist.
func TestTenantsByVLAN(t *testing.T) {
	const mappings = `  mappings:
  - vlan-id: 1000
    tenant-id: 1
  - vlan-id: 2000
    tenant-id: 2
  - vlan-id: 3000
    tenant-id: 2
  - vlan-id: 77
    tenant-id: 7
`
	vlans := [][]uint16{nil, {1000}, {2000}, {3000}, {1000, 2000}, {77}}
	main := `alert udp any any -> any any (msg:"of no tenant"; content:"word"; sid:9;)`
	for _, tt := range []struct {
		name, more string
		want       map[string]int
	}{
		{"no rules for the others", mappings, map[string]int{"1 tenant 1/1": 3, "2 tenant 2/2": 3}},
		{"rules for the others", "  default: yes\n" + mappings, map[string]int{"1 tenant 1/1": 3, "2 tenant 2/2": 3, "9 tenant 0/0": 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, flows := map[string]int{}, map[string]uint32{}
			e, err := New(Options{Config: tenantConfig(tenantFiles(t), "vlan", tt.more), Rules: main, NoLogs: true, Strict: true, Workers: 1, DataDir: t.TempDir(),
				OnEvent: func(line []byte) {
					var x tenantEvent
					if err := json.Unmarshal(line, &x); err != nil {
						t.Error(err)
					}
					if x.Type == "alert" {
						got[fmt.Sprintf("%d tenant %d/%d", x.Alert.SID, x.Tenant, x.Alert.Tenant)]++
					} else if x.Type == "flow" {
						flows[fmt.Sprint(x.VLAN)] = x.Tenant
					}
				}})
			if err != nil {
				t.Fatal(err)
			}
			var script []sim.Step
			for i := range 2 {
				for k, v := range vlans {
					there := datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, "hello word")
					back := datagramFrame(t, "10.0.0.2", 2000, "10.0.0.1", 1000, "answer word")
					script = append(script, sim.Packet(tagged(there, v...), at(1000*i+10*k)), sim.Packet(tagged(back, v...), at(1000*i+10*k+1)))
				}
			}
			if err := e.Run(t.Context(), sim.New(script...)); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("alerts %v, want %v", got, tt.want)
			}
			want := map[string]uint32{"[]": 0, "[1000]": 1, "[2000]": 2, "[3000]": 2, "[1000 2000]": 1, "[77]": 0}
			if fmt.Sprint(flows) != fmt.Sprint(want) {
				t.Errorf("flows %v, want %v", flows, want)
			}
			if n := len(e.judges.using); n != 0 {
				t.Errorf("%d rulesets are in use after the end", n)
			}
		})
	}
}

// A tenant that comes, changes and goes while packets run concerns its own packets only, and a flow stays with its tenant.
func TestTenantsChange(t *testing.T) {
	dir := tenantFiles(t)
	got := map[string]int{}
	e, err := New(Options{Config: tenantConfig(dir, "vlan", "  mappings:\n  - vlan-id: 1000\n    tenant-id: 1\n"), NoLogs: true, Strict: true, RunMode: "single",
		DataDir: t.TempDir(), OnEvent: func(line []byte) {
			var x tenantEvent
			if err := json.Unmarshal(line, &x); err != nil {
				t.Error(err)
			}
			if x.Type == "alert" {
				got[fmt.Sprintf("%v %d", x.VLAN, x.Alert.SID)]++
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "3.rules"), `alert udp any any -> any any (msg:"new"; content:"word"; sid:3;)`)
	writeFile(t, filepath.Join(dir, "3.yaml"), "%YAML 1.1\n---\ndefault-rule-path: "+dir+"\nrule-files: [3.rules]\n")
	x := &controller{e: e}
	do := func(command string, ok bool) sim.Step {
		return sim.Do(func() {
			if r := runCommand(t, x, command); r.OK != ok {
				t.Errorf("%s: %v", command, r.Message)
			}
		})
	}
	ms := 0
	send := func(port int, vlan uint16) sim.Step {
		ms += 10
		return sim.Packet(tagged(datagramFrame(t, "10.0.0.1", port, "10.0.0.9", 2000, "word"), vlan), at(ms))
	}
	script := []sim.Step{
		send(1, 1000), send(2, 500), // tenant 1; nobody
		sim.Drain(), do("register-tenant 3 "+dir+"/3.yaml", true), do("register-tenant 3 "+dir+"/3.yaml", false),
		do("register-tenant-handler 3 vlan 500", true), do("register-tenant-handler 1 vlan 500", false), do("register-tenant-handler 1 pcap", false),
		send(2, 500), // a flow that was nobody's stays that
		send(3, 500), // tenant 3
		sim.Drain(), sim.Do(func() {
			writeFile(t, filepath.Join(dir, "3.rules"), `alert udp any any -> any any (msg:"newer"; content:"word"; sid:4;)`)
		}), do("reload-tenant 3", true), do("reload-tenant 8", false),
		send(3, 500), send(1, 1000),
		sim.Drain(), sim.Do(func() { writeFile(t, filepath.Join(dir, "3.rules"), "nonsense\n") }), do("reload-tenant 3", false), do("reload-tenants", false),
		send(3, 500),
		sim.Drain(), do("unregister-tenant 3", true), do("unregister-tenant 3", false),
		send(3, 500), send(4, 500), // no rules
		sim.Drain(), do("unregister-tenant-handler 3 vlan 500", true), do("unregister-tenant-handler 3 vlan 500", false), do("reload-tenants", true),
		send(1, 1000),
	}
	if err := e.Run(t.Context(), sim.New(script...)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"[1000] 1": 3, "[500] 3": 1, "[500] 4": 2}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("alerts %v, want %v", got, want)
	}
	if n := len(e.judges.using); n != 0 {
		t.Errorf("%d rulesets are in use after the end", n)
	}
}

func TestTenantsByDevice(t *testing.T) {
	got := map[string]int{}
	e, err := New(Options{Config: tenantConfig(tenantFiles(t), "device", "  mappings:\n  - device: eth1\n    tenant-id: 1\n"), NoLogs: true, Strict: true,
		DataDir: t.TempDir(), OnEvent: func(line []byte) {
			var x tenantEvent
			_ = json.Unmarshal(line, &x)
			got[fmt.Sprintf("%s %d %d", x.Type, x.Tenant, x.Alert.SID)]++
		}})
	if err != nil {
		t.Fatal(err)
	}
	e.SetInterfaces([]string{"eth0", "eth1"})
	var script []sim.Step
	for i := range 4 {
		f := datagramFrame(t, "10.0.0.1", 100+i, "10.0.0.9", 2000, "word")
		step := sim.Packet(f, at(i))
		if i == 2 {
			step = sim.Frame(frameOn(f, at(i), 1))
		}
		script = append(script, step)
	}
	if err := e.Run(t.Context(), sim.New(script...)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if want := map[string]int{"alert 1 1": 1, "flow 1 0": 1, "flow 0 0": 3}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestTenantsRefused(t *testing.T) {
	dir := tenantFiles(t)
	for _, tt := range []struct {
		name, selector, more, want string
		set                        []string
		ips                        bool
	}{
		{name: "selector", selector: "moon", want: `configuration:7: multi-detect.selector: unknown selector "moon": use direct, vlan or device`},
		{name: "vlan tracking", selector: "vlan", set: []string{"vlan.use-for-tracking=no"}, want: "needs vlan.use-for-tracking"},
		{name: "device inline", selector: "device", ips: true, want: "not possible inline"},
		{name: "no mappings", selector: "vlan", want: "no multi-detect mappings defined"},
		{name: "vlan 0", selector: "vlan", more: "  mappings:\n  - vlan-id: 0\n    tenant-id: 1\n", want: "vlan-id is not within 1 and 4094"},
		{name: "vlan twice", selector: "vlan", more: "  mappings:\n  - vlan-id: 5\n    tenant-id: 1\n  - vlan-id: 5\n    tenant-id: 2\n", want: "VLAN 5 is mapped twice"},
		{name: "tenant-id", selector: "vlan", more: "  mappings:\n  - vlan-id: 5\n    tenant-id: x\n", want: "tenant-id is not a number"},
		{name: "no device", selector: "device", more: "  mappings:\n  - tenant-id: 1\n", want: "device is missing"},
		{name: "no file", selector: "direct", set: []string{"multi-detect.tenants.0.yaml=none.yaml"}, want: "tenant 1: cannot open"},
		{name: "tenant twice", selector: "direct", set: []string{"multi-detect.tenants.0.id=2"}, want: "tenant 2 is there twice"},
		{name: "no rules", selector: "direct", set: []string{"multi-detect.1.default-rule-path=/nowhere"}, want: "tenant 1: "},
		{name: "path of the command line", selector: "direct", set: []string{"default-rule-path=/nowhere"}, want: "cannot open rule file /nowhere/1.rules"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := New(Options{Config: tenantConfig(dir, tt.selector, tt.more), NoLogs: true, Strict: true, Set: tt.set, IPS: tt.ips, DataDir: t.TempDir()})
			if err == nil {
				e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
