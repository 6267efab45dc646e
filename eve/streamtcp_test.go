package eve_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/detect"
	"sentinel/eve"
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
)

// streamEvents reads events of TCP packets. Left out is what each engine chooses for itself: the numbers of flows, and how
// much of a stream is kept until rules look.
func streamEvents(t *testing.T, b []byte) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(string(b)) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e["event_type"] != "stream_tcp" {
			t.Fatalf("not an event of a TCP packet: %s", line)
		}
		if e["pkt_src"] != "wire/pcap" { // see TestStreamPseudo
			continue
		}
		delete(e, "flow_id")
		for _, who := range []string{"client", "server"} {
			if s, ok := inside(e, "stream_tcp", "session", who).(map[string]any); ok {
				for _, k := range []string{"sb_region_size", "base_seq", "seg_cnt"} {
					delete(s, k)
				}
				flags, _ := s["flags"].([]any)
				s["flags"] = slices.DeleteFunc(flags, func(f any) bool { return f == "trigger_raw" || f == "disable_raw" })
			}
		}
		list = append(list, e)
	}
	return list
}

func inside(v any, path ...string) any {
	for _, k := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// look asks for the raw stream as rules in both directions do.
func look(u *stream.Unit) []detect.Alert {
	for _, _, ok := u.Raw(); ok; _, _, ok = u.RawNext() {
	}
	return nil
}

func runStream(t *testing.T, text, pcap string, ips bool, find func(*stream.Unit) []detect.Alert) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root := tree(t, text)
	out, err := eve.Open(eve.Options{Root: root, Registry: registry, Dir: dir, IPS: ips})
	if err != nil {
		t.Fatal(err)
	}
	newEngine(t, out, root, ips, find).file(pcap)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestStream compares with what the reference wrote, and the switches with the marks of its packets.
func TestStream(t *testing.T) {
	zone(t, time.UTC)
	text := string(read(t, filepath.Join("testdata", "stream.yaml")))
	for _, name := range []string{"tls12", "eicar"} {
		want := streamEvents(t, read(t, filepath.Join("testdata", "stream-"+name+".json")))
		t.Run(name, func(t *testing.T) {
			dir := runStream(t, text, name+".pcap", false, look)
			sameEvents(t, streamEvents(t, read(t, filepath.Join(dir, "eve.json"))), want)
		})
		for key, mark := range map[string]string{"state-update": "state_update", "event-set": "event_set",
			"spurious-retransmission": "spurious_retransmission", "tcp-session-reuse": "tcp_session_reuse"} {
			t.Run(name+"/"+key, func(t *testing.T) {
				var marked []map[string]any
				for _, e := range want {
					if flags, _ := inside(e, "stream_tcp", "packet", "flags").([]any); slices.Contains(flags, any(mark)) {
						marked = append(marked, e)
					}
				}
				dir := runStream(t, strings.Replace(text, "all: yes", key+": yes", 1), name+".pcap", false, look)
				sameEvents(t, streamEvents(t, read(t, filepath.Join(dir, "eve.json"))), marked)
			})
		}
	}
}

func sameEvents(t *testing.T, got, want []map[string]any) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d events, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			g, _ := json.Marshal(got[i])
			w, _ := json.Marshal(want[i])
			t.Errorf("event %d\ngot  %s\nwant %s", i+1, g, w)
		}
	}
}

// TestStreamPseudo looks at packets that were not on the wire: the reference makes headers for them with a length of 40, a TTL of
// 64, a window of 2560 and no flags, and they are written where all packets are.
func TestStreamPseudo(t *testing.T) {
	dir := t.TempDir()
	root := tree(t, string(read(t, filepath.Join("testdata", "stream.yaml"))))
	out, err := eve.Open(eve.Options{Root: root, Registry: registry, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, out, root, false, nil)
	src, err := pcapfile.Open(filepath.Join("..", "qa", "pcaps", "eicar.pcap"), pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	batch := make([]capture.Frame, 6) // the session is open when the engine stops
	k, err := src.Read(context.Background(), batch)
	if err != nil || k != len(batch) {
		t.Fatalf("%d packets, %v", k, err)
	}
	for i := range batch {
		e.frame(&batch[i])
	}
	e.stream.Shutdown()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(read(t, filepath.Join(dir, "eve.json")))) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e["pkt_src"] != "stream (flow timeout)" {
			continue
		}
		n++
		who := "client"
		if e["direction"] == "to_client" {
			who = "server"
		}
		want := map[string]any{"len": 40.0, "tos": 0.0, "ttl": 64.0, "ipid": 0.0, "tcpseq": inside(e, "stream_tcp", "session", who, "next_seq"),
			"tcpack": 0.0, "tcpwin": 2560.0, "syn": false, "ack": false, "psh": false, "rst": false, "urg": false, "fin": false, "tcpres": 0.0,
			"tcpurgp": 0.0, "flags": []any{}}
		if got := inside(e, "stream_tcp", "packet"); !reflect.DeepEqual(got, any(want)) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if n == 0 {
		t.Error("no packet that was not on the wire")
	}
}

// TestStreamDrop wants the reason for which a packet was dropped, as in drop events.
func TestStreamDrop(t *testing.T) {
	text := string(read(t, filepath.Join("testdata", "stream.yaml")))
	dir := runStream(t, text, "eicar.pcap", true, func(u *stream.Unit) []detect.Alert {
		if !u.Has(stream.Pseudo) && u.Count == 4 {
			u.Drop(stream.DropPacket, stream.DropRules)
		}
		return nil
	})
	reasons := map[any]int{}
	for _, e := range streamEvents(t, read(t, filepath.Join(dir, "eve.json"))) {
		if r := inside(e, "stream_tcp", "reason"); r != nil {
			if e["pcap_cnt"] != 4.0 {
				t.Errorf("packet %v has reason %v", e["pcap_cnt"], r)
			}
			reasons[r]++
		}
	}
	if !reflect.DeepEqual(reasons, map[any]int{"rules": 1}) {
		t.Errorf("reasons %v", reasons)
	}
}

// keeper asks for the certificates of a session's server, as the keyword tls.store does.
func keeper(u *stream.Unit) []detect.Alert {
	if s := u.App; s != nil && s.Parser != nil {
		if tx, ok := s.Next(0); ok {
			if k, ok := tx.(interface{ KeepCertificates(app.Dir) }); ok && u.Count >= 9 && !tx.Base().Alerted { // where the reference's rule matched
				tx.Base().Alerted = true
				k.KeepCertificates(app.ToClient)
			}
		}
	}
	return nil
}

// TestCertStore compares the files of a chain with those of the reference.
func TestCertStore(t *testing.T) {
	zone(t, time.UTC)
	text := string(read(t, filepath.Join("testdata", "stream.yaml")))
	dir := runStream(t, text, "tls12.pcap", false, keeper)
	names, err := filepath.Glob(filepath.Join(dir, "certs", "*"))
	if err != nil || len(names) != 2 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, ext := range []string{"pem", "meta"} {
		// Time of the packet and number of the chain: the reference's name for it.
		got := read(t, filepath.Join(dir, "certs", "1795201159.154467-1."+ext))
		if want := read(t, filepath.Join("testdata", "certificate."+ext)); string(got) != string(want) {
			t.Errorf("%s\ngot\n%s\nwant\n%s", ext, got, want)
		}
	}
	t.Run("nobody asks", func(t *testing.T) {
		dir := runStream(t, text, "tls12.pcap", false, nil)
		if names, _ := filepath.Glob(filepath.Join(dir, "certs", "*")); len(names) != 0 {
			t.Errorf("%q", names)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		c, _, err := conf.Parse([]byte("outputs: [tls-store: {enabled: yes, certs-log-dir: /dev/null/x}]\n"), "x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eve.Open(eve.Options{Root: c.Root(), Registry: registry, Dir: t.TempDir()}); err == nil ||
			!strings.Contains(err.Error(), "directory of certificates") {
			t.Errorf("%v", err)
		}
	})
}
