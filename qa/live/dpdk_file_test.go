//go:build linux && dpdk

package live_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// portParams are parameters of DPDK's environment layer that touch nothing of the machine, so that tests may run side by side.
const portParams = `
dpdk:
  eal-params:
    no-huge:
    no-pci:
    no-shconf:
    no-telemetry:
`

// replayConfig has all kinds of events in one file and the statistics in another one, which is small.
const replayConfig = `%YAML 1.1
---
stats: {enabled: yes, interval: 1}
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, anomaly, http, dns, tls, smtp, files, flow, netflow]}
  - eve-log: {enabled: yes, filename: stats.json, types: [stats]}
logging: {outputs: [{console: {enabled: yes}}]}
unix-command: {enabled: no}
`

// replayRules add a rule for each protocol to those that look into what programs say: whatever is recognised alerts.
func replayRules(t *testing.T) string {
	t.Helper()
	demo, err := os.ReadFile(filepath.Join("..", "..", "etc", "rules", "demo.rules"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(demo) + programRules
	for i, proto := range []string{"http", "http2", "dns", "tls", "smtp"} {
		text += fmt.Sprintf("alert %s any any -> any any (msg:\"%s\"; sid:%d;)\n", proto, proto, 100+i)
	}
	return text
}

// A capture that DPDK replays alerts, and makes events, as the same capture does when it is read as a file; each packet of it is
// seen, by one worker or by several, and the port agrees.
func TestDPDKFile(t *testing.T) {
	demo, err := filepath.Abs(filepath.Join("..", "pcaps", "demo.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprintf("demo.pcap, threads %d", threads), func(t *testing.T) {
			replayed(t, demo, frames(t, demo), threads)
		})
	}
	t.Run("traces", func(t *testing.T) {
		dir := os.Getenv("SENTINEL_TRACES")
		if dir == "" {
			dir = filepath.Join("..", "..", "..", "shared", "traces")
		}
		path := filepath.Join(t.TempDir(), "traces.pcap")
		n := gather(t, dir, path)
		if n == 0 {
			t.Skipf("no captures in %s: name a folder with SENTINEL_TRACES", dir)
		}
		replayed(t, path, n, 1)
	})
}

// replayed has the program read a capture of n packets as a file and through a port, and compares.
func replayed(t *testing.T, path string, n uint64, threads int) {
	dir := t.TempDir()
	config := filepath.Join(dir, "replay.yaml")
	rules := filepath.Join(dir, "replay.rules")
	port := fmt.Sprintf("    vdev: net_pcap0,rx_pcap=%s,infinite_rx=0\n  interfaces:\n    - interface: net_pcap0\n      threads: %d\n", path, threads)
	for name, text := range map[string]string{config: replayConfig + portParams + port, rules: replayRules(t)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	offline := filepath.Join(dir, "offline")
	if err := os.Mkdir(offline, 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", config, "-S", rules, "-k", "none"}
	// One worker: with several it is chance which of a host's flows reaches a threshold first.
	cmd := exec.Command(program(t), append(args, "-l", offline, "--data-dir", t.TempDir(), "-r", path, "--runmode", "single")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := launch(t, nil, append(args, "-l", dir, "-v", "--dpdk")...)
	// The port does not tell that its file has ended.
	for end := time.Now().Add(60 * time.Second); lastStats(t, filepath.Join(dir, "stats.json"))["decoder.pkts"] < n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not all of the %d packets come", n)
			break
		}
	}
	p.signal(syscall.SIGTERM)
	p.ended(t)

	got, want := tally(t, filepath.Join(dir, "eve.json")), tally(t, filepath.Join(offline, "eve.json"))
	same(t, got, want)
	st, file := lastStats(t, filepath.Join(dir, "stats.json")), lastStats(t, filepath.Join(offline, "stats.json"))
	for name, want := range map[string]uint64{
		"decoder.pkts": n, "decoder.bytes": file["decoder.bytes"], "capture.kernel_packets": n, "capture.packets": n, "capture.kernel_drops": 0,
		"capture.rx_errors": 0, "capture.tx_errors": 0, "capture.dpdk.imissed": 0, "capture.dpdk.no_mbufs": 0, "capture.dpdk.ierrors": 0,
		"capture.dpdk.inbox_full": 0, "capture.dpdk.unsent": 0, "detect.alert": file["detect.alert"], "sentinel.caught_panics": 0,
	} {
		if v, ok := st[name]; !ok || v != want {
			t.Errorf("%s: %d (there: %v), want %d", name, v, ok, want)
		}
	}
	a := accountOf(t, p, "net_pcap0")
	if a.counts["rx_good_packets"] != n || a.counts["rx_good_bytes"] != file["decoder.bytes"] || a.spare != a.all || a.all == 0 {
		t.Errorf("the port says %+v of %d packets with %d bytes", a, n, file["decoder.bytes"])
	}
	t.Logf("%d packets, events %v", n, want.types)
	if len(want.alerts) < 10 || want.types["flow"] == 0 || file["decoder.pkts"] != n {
		t.Errorf("the file itself: %d packets, alerts %v", file["decoder.pkts"], want.alerts)
	}
	if t.Failed() {
		t.Log(p.text())
	}
}

// told is what came of traffic: alerts by rule and endpoints, events by type.
type told struct{ alerts, types map[string]int }

func tally(t *testing.T, path string) *told {
	t.Helper()
	w := &told{alerts: map[string]int{}, types: map[string]int{}}
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(f)) {
		w.add(t, []byte(line))
	}
	return w
}

// add counts an event.
func (w *told) add(t *testing.T, line []byte) {
	t.Helper()
	var e struct {
		Type     string `json:"event_type"`
		Proto    string `json:"proto"`
		App      string `json:"app_proto"`
		SrcIP    string `json:"src_ip"`
		DestIP   string `json:"dest_ip"`
		SrcPort  int    `json:"src_port"`
		DestPort int    `json:"dest_port"`
		Tx       int    `json:"tx_id"`
		Alert    struct {
			SID    int    `json:"signature_id"`
			Action string `json:"action"`
		} `json:"alert"`
		Anomaly struct {
			Event string `json:"event"`
		} `json:"anomaly"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		t.Errorf("%v: %s", err, line)
	}
	if e.Type == "stats" {
		return
	}
	w.types[strings.TrimSuffix(e.Type+" "+e.Anomaly.Event, " ")]++
	if e.Type == "alert" {
		w.alerts[fmt.Sprintf("%d %s %s %s:%d %s:%d %s tx %d", e.Alert.SID, e.Alert.Action, e.Proto, e.SrcIP, e.SrcPort, e.DestIP, e.DestPort, e.App, e.Tx)]++
	}
}

// same compares what was seen live with what was seen offline.
func same(t *testing.T, got, want *told) {
	t.Helper()
	const most = 20
	shown := 0
	for _, m := range []struct {
		what      string
		got, want map[string]int
	}{{"alert", got.alerts, want.alerts}, {"events of type", got.types, want.types}} {
		all := maps.Clone(m.got)
		maps.Copy(all, m.want)
		for _, k := range slices.Sorted(maps.Keys(all)) {
			if m.got[k] != m.want[k] {
				if shown++; shown <= most {
					t.Errorf("%s %s: %d, offline %d", m.what, k, m.got[k], m.want[k])
				}
			}
		}
	}
	if shown > most {
		t.Errorf("and %d more differences", shown-most)
	}
}

// lastStats are the last statistics of a file, by dotted name; empty as long as there are none.
func lastStats(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	flat := map[string]uint64{}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 2 {
		return flat
	}
	var e struct {
		Stats map[string]any `json:"stats"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-2]), &e); err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			switch v := v.(type) {
			case map[string]any:
				walk(prefix+k+".", v)
			case float64:
				flat[prefix+k] = uint64(v)
			}
		}
	}
	walk("", e.Stats)
	return flat
}

// account is what a port says at the end that it has counted, and of its buffers.
type account struct {
	counts     map[string]uint64
	spare, all int
}

// accountOf finds the account of a port in what the program has said.
func accountOf(t *testing.T, p *process, port string) account {
	t.Helper()
	return readAccount(t, p.text(), port)
}

func readAccount(t *testing.T, text, port string) account {
	t.Helper()
	m := regexp.MustCompile(regexp.QuoteMeta(port) + `: at the end: (.*); (\d+) of (\d+) buffers are free`).FindStringSubmatch(text)
	if m == nil {
		t.Errorf("port %s gives no account at the end", port)
		return account{}
	}
	a := account{counts: map[string]uint64{}}
	for _, c := range strings.Split(m[1], ", ") {
		if name, v, ok := strings.Cut(c, " "); ok {
			a.counts[name], _ = strconv.ParseUint(v, 10, 64)
		}
	}
	a.spare, _ = strconv.Atoi(m[2])
	a.all, _ = strconv.Atoi(m[3])
	return a
}

// each calls f with the frames of a capture until it returns false.
func each(path string, f func(*capture.Frame) bool) error {
	s, err := pcapfile.Open(path, pcapfile.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	batch := make([]capture.Frame, 64)
	for {
		n, err := s.Read(context.Background(), batch)
		for i := range batch[:n] {
			if !f(&batch[i]) {
				return nil
			}
		}
		if err == nil {
			err = s.Release(batch[:n])
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// frames is how many packets a capture has.
func frames(t *testing.T, path string) (n uint64) {
	t.Helper()
	if err := each(path, func(*capture.Frame) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

// The most that is taken of one trace, and of all.
const (
	mostOfTrace  = 3000
	mostOfTraces = 150000
)

// gather writes the Ethernet frames of all captures below a folder into one file, as if recorded at this time, without the pauses: a
// port replays a file without any. It returns how many they are.
func gather(t *testing.T, dir, path string) (n uint64) {
	t.Helper()
	var paths []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, "pcap") || strings.HasSuffix(path, "pcapng")) {
			paths = append(paths, path)
		}
		return nil
	})
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d) // times in nanoseconds
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 1<<18)
	b = binary.LittleEndian.AppendUint32(b, uint32(capture.LinkEthernet))
	at := time.Now()
	for _, path := range paths {
		here := 0
		_ = each(path, func(f *capture.Frame) bool { // a trace that is broken at some point is good up to there
			if f.Link != capture.LinkEthernet || int(f.WireLen) != len(f.Data) || len(f.Data) == 0 {
				return true
			}
			at = at.Add(time.Microsecond)
			b = binary.LittleEndian.AppendUint32(b, uint32(at.Unix()))
			b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
			b = append(b, f.Data...)
			n++
			here++
			return here < mostOfTrace && n < mostOfTraces
		})
		if n >= mostOfTraces {
			break
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}
