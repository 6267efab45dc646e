package sentinel

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/capture/sim"
	"sentinel/internal/control"
	"sentinel/stream/flow"
)

// runCommand carries out a command as people write it, without a socket.
func runCommand(t testing.TB, x *controller, line string) control.Reply {
	t.Helper()
	r, err := control.Parse(line)
	if err != nil {
		t.Error(err)
		return control.Reply{}
	}
	b, _ := json.Marshal(r.Arguments)
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var a control.Args
	if err := d.Decode(&a); err != nil {
		t.Error(err)
	}
	for _, c := range x.commands() {
		if c.Name == r.Command {
			return c.Run(a)
		}
	}
	t.Errorf("there is no command %s", r.Command)
	return control.Reply{}
}

func frameOn(data []byte, at int64, iface uint16) capture.Frame {
	return capture.Frame{Data: data[:len(data):len(data)], Time: at, WireLen: uint32(len(data)), Link: capture.LinkEthernet, Iface: iface}
}

// The texts are Suricata's (unix-manager.c and runmode-unix-socket.c of 8.0.7).
func TestControlReplies(t *testing.T) {
	dir := t.TempDir()
	w := &watch{t: t}
	e, err := New(Options{Workers: 2, NoLogs: true, OnEvent: w.event, DataDir: dir, RuleFiles: []string{}, Set: []string{"unix-command.filename=x.socket"}, Rules: `alert udp any any -> any any (msg:"x"; content:"word"; hostbits:isset,known,src; sid:1;)
alert dns any any -> any any (msg:"d"; dns.query; dataset:isset,seen,type string,memcap 10mb,hashsize 1024; sid:2;)
alert nonsense`})
	if err != nil {
		t.Fatal(err)
	}
	x := &controller{e: e, started: time.Now()}
	for _, tt := range []struct {
		line, want string // want is the reply's message in JSON
		ok         bool
	}{
		{"version", `"9.0.0 RELEASE"`, true},
		{"uptime", `0`, true},
		{"running-mode", `"autofp"`, true},
		{"capture-mode", `"LIB"`, true},
		{"conf-get unix-command.filename", `"x.socket"`, true},
		{"conf-get vars", `"Unable to get value"`, false},
		{"conf-get nothing.of.that.name", `"Unable to get value"`, false},
		{"ruleset-stats", `[{"id":0,"rules_loaded":2,"rules_failed":1,"rules_skipped":0}]`, true},
		{"ruleset-failed-rules", `[{"tenant_id":0,"rule":"alert nonsense","filename":"rules","line":3`, true},
		{"reload-rules", `"done"`, true},
		{"iface-list", `{"count":0,"ifaces":[]}`, true},
		{"iface-stat eth0", `"Iface does not exist"`, false},
		{"iface-bypassed-stat", `"Bypass not enabled"`, false},
		{"add-hostbit 10.0.0.1 unknown 60", `"hostbit not found"`, false},
		{"add-hostbit 10.0.0 known 60", `"invalid address string"`, false},
		{"add-hostbit 10.0.0.1 known 5000000000", `"expire is not a uint32"`, false},
		{"add-hostbit 10.0.0.1 known 4000000000", `"couldn't set host expire"`, false},
		{"list-hostbit 10.0.0.1", `"host not found"`, false},
		{"remove-hostbit 10.0.0.1 known", `"host not found"`, false},
		{"add-hostbit 10.0.0.1 known 3600", `"hostbit added"`, true},
		{"list-hostbit 10.0.0.1", `{"count":1,"hostbits":[{"name":"known","expire":3`, true},
		{"add-hostbit fe80:0000:0000:0000:6600:6aff:fe5b:8f4a known 60", `"hostbit added"`, true},
		{"list-hostbit fe80::6600:6aff:fe5b:8f4a", `{"count":1,"hostbits":[{"name":"known"`, true},
		{"remove-hostbit fe80::6600:6aff:fe5b:8f4a known", `"hostbit removed"`, true},
		{"list-hostbit fe80::6600:6aff:fe5b:8f4a", `{"count":0,"hostbits":[]}`, true},
		{"remove-hostbit fe80::6600:6aff:fe5b:8f4a known", `"hostbit removed"`, true},
		{"memcap-set host 10mb", `"memcap value for 'host' updated: 10485760 "`, true},
		{"memcap-list", `[{"name":"stream","value":"64mb"},{"name":"stream-reassembly","value":"256mb"},{"name":"flow","value":"128mb"},` +
			`{"name":"applayer-proto-http","value":"unlimited"},{"name":"applayer-proto-http-byterange","value":"unlimited"},{"name":"defrag","value":"32mb"},`, true},
		{"memcap-show flow", `{"value":"128mb"}`, true},
		{"memcap-show tea", `"Memcap value not found. Use 'memcap-list' to show all"`, false},
		{"memcap-set flow 0", `"Unlimited value is not allowed for 'flow'"`, false},
		{"memcap-set flow much", `"error parsing memcap specified, value not changed"`, false},
		{"memcap-set flow 1.5gb", `"memcap value for 'flow' updated: 1610612736 "`, true},
		{"memcap-show flow", `{"value":"1gb"}`, true},
		{"memcap-set stream 0", `"memcap value for 'stream' updated: 0 (unlimited)"`, true},
		{"memcap-show stream", `{"value":"unlimited"}`, true},
		{"memcap-set defrag 64mb", `"memcap value for 'defrag' updated: 67108864 "`, true},
		{"dataset-add seen string d29yZA==", `"data added"`, true},
		{"dataset-add seen string d29yZA==", `"data already in set"`, true},
		{"dataset-add seen string *", `"failed to add data"`, false},
		{"dataset-add seen md5 d29yZA==", `"set not found or wrong type"`, false},
		{"dataset-add seen poem d29yZA==", `"unknown settype"`, false},
		{"dataset-lookup seen string d29yZA==", `"item found in set"`, true},
		{"dataset-remove seen string d29yZA==", `"data removed"`, true},
		{"dataset-remove seen string d29yZA==", `"failed to remove data"`, false},
		{"dataset-lookup seen string d29yZA==", `"item not found in set"`, false},
		{"dataset-add seen string d29yZA==", `"data added"`, true},
		{"dataset-add-json seen string c2l0ZQ== {\"city\": \"Mountain View\"}", `"data added"`, true},
		{"dataset-add-json seen string c2l0ZQ== {}", `"data already in set"`, true},
		{"dataset-add-json seen string d29yZA== {", `"failed to add data"`, false},
		{"dataset-add-json seen md5 d29yZA== {}", `"set not found or wrong type"`, false},
		{"dataset-lookup seen string c2l0ZQ==", `"item found in set"`, true},
		{"dataset-clear seen string", `"dataset cleared"`, true},
		{"dataset-lookup seen string d29yZA==", `"item not found in set"`, false},
		{"dataset-add seen string d29yZA==", `"data added"`, true},
		{"dataset-dump", `"datasets dump done"`, true},
		{"get-flow-stats-by-id 5", `"Not found"`, false},
		{"register-tenant 1 x.yaml", `"multi-tenant support not enabled"`, false},
		{"reload-tenants", `"multi-tenant support not enabled"`, false},
		{"reopen-log-files", `"done"`, true},
		{"shutdown", `"Closing Suricata"`, true},
	} {
		t.Run(tt.line, func(t *testing.T) {
			r := runCommand(t, x, tt.line)
			b, err := json.Marshal(r.Message)
			if err != nil || r.OK != tt.ok || !strings.HasPrefix(string(b), tt.want) {
				t.Errorf("got %s %v %v, want %s %v", b, r.OK, err, tt.want, tt.ok)
			}
		})
	}
	// What was set is what rules see.
	w.play(e, sim.Packet(datagramFrame(t, "10.0.0.1", 1, "10.0.0.2", 2, "word"), time.Now().UnixNano()))
	if got := fmt.Sprint(w.sids()); got != "map[1:1]" {
		t.Errorf("alerts %s: the host bit must make rule 1 alert", got)
	}
}

// All commands go on while packets run and rules are reloaded. It is for the race detector.
func TestControlUnderLoad(t *testing.T) {
	for _, mode := range []string{"single", "autofp"} {
		t.Run(mode, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{Workers: 3, RunMode: mode, Rules: `alert udp any any -> any any (msg:"x"; content:"word"; hostbits:isset,known,src; sid:1;)
alert dns any any -> any any (msg:"d"; dns.query; dataset:set,seen,type string,memcap 10mb,hashsize 1024; sid:2;)`})
			dir, err := os.MkdirTemp("", "ctl")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			s, err := e.Control(Control{Path: filepath.Join(dir, "s")})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			done := make(chan struct{})
			var wg sync.WaitGroup
			begin := make(chan struct{})
			found := make(chan struct{})
			for _, commands := range [][]string{
				{"dump-counters", "running-mode", "capture-mode", "ruleset-stats", "ruleset-reload-time", "iface-list"},
				{"memcap-set flow 100mb", "memcap-set defrag 40mb", "memcap-list", "memcap-set stream-reassembly 100mb"},
				{"add-hostbit 10.0.0.1 known 10", "list-hostbit 10.0.0.1", "remove-hostbit 10.0.0.1 known", "dataset-add seen string d29yZA==", "dataset-clear seen string"},
				{"reload-rules", "reopen-log-files", "ruleset-reload-nonblocking"},
			} {
				wg.Go(func() {
					c, err := control.Dial(s.Path())
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					<-begin
					for i := 0; ; i++ {
						select {
						case <-done:
							return
						default:
						}
						r, err := control.Parse(commands[i%len(commands)])
						if err != nil {
							t.Error(err)
							return
						}
						a, err := c.Do(r)
						if err != nil {
							t.Errorf("%s: %v", r.Command, err)
							return
						}
						if !a.OK && !strings.Contains(string(a.Message), "already in progress") && !strings.Contains(string(a.Message), "the engine ends") && !strings.Contains(string(a.Message), "host not found") {
							t.Errorf("%s: %s", r.Command, a.Message)
						}
					}
				})
			}
			// A flow is found by its id, at a worker.
			wg.Go(func() {
				defer close(found)
				c, err := control.Dial(s.Path())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				<-begin
				var id uint64
				for id == 0 {
					_ = e.ask(func(w *worker) {
						w.stream.Table().Find(func(f *flow.Flow) bool { id = f.ID; return false })
					})
				}
				a, err := c.Do(control.Request{Command: "get-flow-stats-by-id", Arguments: map[string]any{"flow_id": id}})
				if err != nil || !a.OK || !strings.Contains(string(a.Message), `"pkts_toserver":`) {
					t.Errorf("%s %v", a.Raw, err)
				}
			})
			var script []sim.Step
			script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 999, "10.0.0.2", 2000, "word"), at(0)), sim.Do(func() { close(begin) }))
			for i := range 2000 {
				script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+i%300, "10.0.0.2", 2000, "word"), at(i)))
				if i%40 == 0 {
					script = append(script, sim.Idle(5*time.Millisecond))
				}
			}
			script = append(script, sim.Hold(found))
			w.play(e, script...)
			close(done)
			wg.Wait()
		})
	}
}

// The form is Suricata's (LiveDeviceGetBypassedStats).
func TestControlBypassed(t *testing.T) {
	w := &watch{t: t}
	e := w.engine(Options{})
	m := bypass.NewManager(nil, bypass.Options{Interfaces: []string{"eth0"}})
	e.offload.manager.Store(m)
	r := runCommand(t, &controller{e: e}, "iface-bypassed-stat")
	b, _ := json.Marshal(r.Message)
	if want := `{"eth0":{"ipv4_fail":0,"ipv4_maps_count":0,"ipv4_success":0,"ipv6_fail":0,"ipv6_maps_count":0,"ipv6_success":0}}`; string(b) != want || !r.OK {
		t.Errorf("got %s, want %s", b, want)
	}
	e.offload.manager.Store(nil)
}
