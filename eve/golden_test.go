package eve_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sentinel/eve"
)

var (
	flowIDs  = regexp.MustCompile(`"flow_id":\d+`)
	progress = regexp.MustCompile(`"ts_progress":"[a-z_]+","tc_progress":"[a-z_]+",`)
	stamp    = regexp.MustCompile(`^\{"timestamp":"[^"]*"`)
	sizes    = regexp.MustCompile(`"bytes(_to[a-z]+)?":\d+`)
	packets  = regexp.MustCompile(`"packet":"[^"]*"`)
	ofFlows  = regexp.MustCompile(`"event_type":"(flow|netflow)"`)
)

// lines brings two logs into the same form: flows are numbered by their addresses, and their records, which each engine writes
// when it likes, stand at the end in order. The reference, which is a release older, does not say how far transactions are.
func lines(b []byte, datagrams bool) []string {
	var events, flows []string
	for line := range strings.Lines(string(b)) {
		line = flowIDs.ReplaceAllString(progress.ReplaceAllString(strings.TrimSpace(line), ""), `"flow_id":0`)
		if datagrams {
			// The reference counts the link header of a fragment as part of the datagram, and shows it.
			line = packets.ReplaceAllString(sizes.ReplaceAllString(line, `"bytes$1":0`), `"packet":""`)
		}
		if ofFlows.MatchString(line) {
			flows = append(flows, stamp.ReplaceAllString(line, `{"timestamp":""`))
		} else {
			events = append(events, line)
		}
	}
	slices.Sort(flows)
	return append(events, flows...)
}

// TestGolden compares whole runs with what the reference wrote, byte by byte.
func TestGolden(t *testing.T) {
	zone(t, time.UTC)
	tests := []struct {
		name, pcap, rules string
		ips               bool
	}{
		{"eicar", "eicar.pcap", "events.rules", false},
		{"tls12", "tls12.pcap", "events.rules", false},
		{"ping", "ping.pcap", "events.rules", false},
		{"http-vlan", "http-vlan.pcap", "events.rules", false},
		{"ips-eicar", "eicar.pcap", "ips.rules", true},
		{"ips-ping", "ping.pcap", "ips.rules", true},
	}
	root := tree(t, string(read(t, filepath.Join("testdata", "events.yaml"))))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			out, err := eve.Open(eve.Options{Root: root, Registry: registry, Dir: dir, IPS: tt.ips})
			if err != nil {
				t.Fatal(err)
			}
			e := newEngine(t, out, root, tt.ips, finder(meta(t, tt.rules), tt.ips))
			e.file(tt.pcap)
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			frags := tt.pcap == "ping.pcap"
			got, want := lines(read(t, filepath.Join(dir, "eve.json")), frags), lines(read(t, filepath.Join("testdata", tt.name+".json")), frags)
			for i := range max(len(got), len(want)) {
				g, w := "nothing", "nothing"
				if i < len(got) {
					g = got[i]
				}
				if i < len(want) {
					w = want[i]
				}
				if g != w {
					t.Errorf("event %d\ngot  %s\nwant %s", i+1, g, w)
				}
			}
			if g, w := read(t, filepath.Join(dir, "fast.log")), read(t, filepath.Join("testdata", tt.name+".log")); !bytes.Equal(g, w) {
				t.Errorf("fast.log\ngot\n%swant\n%s", g, w)
			}
		})
	}
}

// TestFlowIDs sees that all events of a flow carry its id, and flows differ.
func TestFlowIDs(t *testing.T) {
	var b []byte
	out, err := eve.Open(eve.Options{Registry: registry, NoFiles: true, OnEvent: func(line []byte) { b = append(b, line...) }})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, out, nil, false, nil)
	e.file("eicar.pcap")
	ids := map[string]int{}
	for line := range strings.Lines(string(b)) {
		id := flowIDs.FindString(line)
		if n, err := strconv.ParseUint(strings.TrimPrefix(id, `"flow_id":`), 10, 64); err != nil || n >= 1<<51 {
			t.Errorf("flow id %q", id)
		}
		ids[id]++
	}
	if len(ids) != 2 {
		t.Errorf("%d flow ids, want 2: %v", len(ids), ids)
	}
}
