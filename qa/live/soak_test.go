//go:build linux

package live_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sentinel/qa/live"
)

// How long the soak is, for a run by hand:
//
//	go test ./qa/live -run TestSoak -v -timeout 0 -soak 30m
//
// With -soak-rules a large file of rules is read again each time, too. SENTINEL_TRACES names a folder of captures to replay besides those of the project.
var soakTime = flag.Duration("soak", 20*time.Second, "how long TestSoak is")

// The rules that TestSoak runs besides its own.
var soakRules = flag.String("soak-rules", "", "file of rules that TestSoak loads besides its own")

// reloads is how often the rules are read again in a soak, and the logs opened anew.
const reloads = 20

// soak is the engine under mixed load, and what came of it.
type soak struct {
	t        *testing.T
	dir      string
	p        *process
	types    map[string]int // events
	alerts   int            // of the rule on requests
	flows    int            // to the web server
	more     []byte         // rules besides its own
	long     map[string]int // events of the one connection that lasts
	longPort int
	stats    struct {
		Capture struct {
			Packets uint64 `json:"kernel_packets"`
			Drops   uint64 `json:"kernel_drops"`
			Polls   struct {
				All     uint64 `json:"polls"`
				Signal  uint64 `json:"poll_signal"`
				Timeout uint64 `json:"poll_timeout"`
				Data    uint64 `json:"poll_data"`
				Errors  uint64 `json:"poll_errors"`
			} `json:"afpacket"`
		} `json:"capture"`
		Decoder struct {
			Packets uint64 `json:"pkts"`
		} `json:"decoder"`
		Sentinel struct {
			Panics uint64 `json:"caught_panics"`
		} `json:"sentinel"`
	}
}

// Under mixed load for a time, with rules read and logs opened again and again: each request is seen, no packet is lost, no flow is
// torn, and memory stays flat.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 seconds: not with -short")
	}
	n := live.New(t)
	n.Pair("in0", "out0")
	server, client := n.Host("in0", "10.77.0.1/24"), n.Host("out0", "10.77.0.2/24")
	s := &soak{t: t, dir: t.TempDir(), types: map[string]int{}, long: map[string]int{}}
	get := web(t, t.TempDir(), server, client)
	if *soakRules != "" {
		var err error
		if s.more, err = os.ReadFile(*soakRules); err != nil {
			t.Fatal(err)
		}
	}
	s.rules(0)
	config := filepath.Join(s.dir, "soak.yaml")
	if err := os.WriteFile(config, []byte(`%YAML 1.1
---
vars:
  address-groups: {HOME_NET: any, EXTERNAL_NET: any, HTTP_SERVERS: any, SMTP_SERVERS: any, SQL_SERVERS: any, DNS_SERVERS: any, TELNET_SERVERS: any,
    AIM_SERVERS: any, DC_SERVERS: any, DNP3_SERVER: any, DNP3_CLIENT: any, MODBUS_CLIENT: any, MODBUS_SERVER: any, ENIP_CLIENT: any, ENIP_SERVER: any}
  port-groups: {HTTP_PORTS: "80", SHELLCODE_PORTS: "!80", ORACLE_PORTS: 1521, SSH_PORTS: 22, DNP3_PORTS: 20000, MODBUS_PORTS: 502,
    FILE_DATA_PORTS: "[80,110,143]", FTP_PORTS: 21, GENEVE_PORTS: 6081, VXLAN_PORTS: 4789, TEREDO_PORTS: 3544, SIP_PORTS: "[5060,5061]"}
stats: {enabled: yes, interval: 5}
stream: {reassembly: {depth: 0}} # the connection that lasts gets long
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, http, flow, stats]}
logging: {outputs: [{console: {enabled: yes}}]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	before := packets(t, server, "in0")
	s.p = start(t, server, 1, "-c", config, "-S", filepath.Join(s.dir, "soak.rules"), "-l", s.dir, "--data-dir", t.TempDir(), "--af-packet=in0",
		"--workers", "1")
	// Packets of the network's own, between before and first, may come before the socket or after it.
	first := packets(t, server, "in0")
	stop := replay(t, client)
	long := s.connect(client)
	asked, longAsked := 0, 0
	var rss []int // in KiB, once a second
	begun := time.Now()
	nextReload, nextSample := begun, begun
	loads := 0
	for time.Since(begun) < *soakTime || s.reloaded() < reloads {
		// One reload after the other: a signal in the middle of one is none.
		if now := time.Now(); now.After(nextReload) && loads < reloads && loads == s.reloaded() {
			nextReload = begun.Add(time.Duration(loads+1) * *soakTime / (reloads + 1))
			loads++
			s.rules(loads)
			s.p.signal(syscall.SIGUSR2)
			s.rotate(loads)
		} else if now.After(nextSample) {
			nextSample = now.Add(time.Second)
			rss = append(rss, memory(t, s.p.cmd.Process.Pid))
		}
		if err := get("/item"); err != nil {
			t.Fatal(err)
		}
		asked++
		if err := long(); err != nil {
			t.Fatal(err)
		}
		longAsked++
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	sent := settled(t, server, "in0")
	s.p.signal(syscall.SIGTERM)
	s.p.ended(t)
	s.count(filepath.Join(s.dir, "eve.json"))

	reloaded := s.reloaded()
	t.Logf("%v: %d requests, %d packets, %d reloads, memory from %d to %d KiB (most %d), events %v", time.Since(begun).Round(time.Second),
		asked+longAsked, sent-first, reloaded, rss[0], rss[len(rss)-1], slices.Max(rss), s.types)
	if reloaded != reloads {
		t.Errorf("%d reloads, want %d", reloaded, reloads)
	}
	if s.alerts != asked+longAsked {
		t.Errorf("%d alerts on requests, want %d", s.alerts, asked+longAsked)
	}
	// One request in flight at the end may be missing on no side: all were answered.
	if s.long["flow"] != 1 || s.long["http"] != longAsked {
		t.Errorf("the connection that lasts has %v, want one flow and %d requests", s.long, longAsked)
	}
	if s.flows != asked+1 {
		t.Errorf("%d flows, want %d: one for each request, and one that lasts", s.flows, asked+1)
	}
	c := s.stats.Capture
	if c.Drops != 0 || s.stats.Sentinel.Panics != 0 {
		t.Errorf("%d packets dropped, %d bugs caught", c.Drops, s.stats.Sentinel.Panics)
	}
	if c.Packets < sent-first || c.Packets > packets(t, server, "in0")-before || s.stats.Decoder.Packets != c.Packets {
		t.Errorf("%d packets on the wire, %d captured, %d decoded", sent-first, c.Packets, s.stats.Decoder.Packets)
	}
	// Those that a signal has interrupted are none of the kinds, as in the reference.
	if p := c.Polls; p.Data == 0 || p.All < p.Signal+p.Timeout+p.Data+p.Errors || p.Errors > 0 {
		t.Errorf("polls %+v", p)
	}
	if grown := growth(rss); grown > 0.1 {
		t.Errorf("memory grows by %.0f%% in the second half: %d KiB a second apart", grown*100, rss)
	}
	if t.Failed() {
		t.Log(s.p.text())
	}
}

// reloaded is how often rules have been read again.
func (s *soak) reloaded() int { return strings.Count(s.p.text(), "rule reload complete") }

// rules writes the rules, of which one is new each time.
func (s *soak) rules(n int) {
	s.t.Helper()
	text := `alert http any any -> any any (msg:"request"; flow:to_server,established; http.uri; content:"/item"; sid:1;)` + "\n" +
		fmt.Sprintf(`alert http any any -> any any (msg:"new"; flow:to_server,established; http.uri; content:"/never%d"; sid:2;)`+"\n", n) + string(s.more)
	path := filepath.Join(s.dir, "soak.rules")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

// rotate renames the event file, lets the engine make a new one, and counts what the old one has.
func (s *soak) rotate(n int) {
	s.t.Helper()
	path := filepath.Join(s.dir, "eve.json")
	old := fmt.Sprintf("%s.%d", path, n)
	if err := os.Rename(path, old); err != nil {
		s.t.Fatal(err)
	}
	s.p.signal(syscall.SIGHUP)
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("no new event file\n%s", s.p.text())
		}
	}
	time.Sleep(20 * time.Millisecond) // a line that was on its way
	s.count(old)
	if err := os.Remove(old); err != nil {
		s.t.Error(err)
	}
}

// count takes the events of a file to account.
func (s *soak) count(path string) {
	s.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return
		}
		var e struct {
			Type    string `json:"event_type"`
			SrcPort int    `json:"src_port"`
			Alert   struct {
				SID int `json:"signature_id"`
			} `json:"alert"`
			DestIP   string          `json:"dest_ip"`
			DestPort int             `json:"dest_port"`
			Stats    json.RawMessage `json:"stats"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		s.types[e.Type]++
		if e.Type == "flow" && e.DestIP == "10.77.0.1" && e.DestPort == 80 {
			s.flows++
		}
		switch {
		case e.Type == "stats":
			if err := json.Unmarshal(e.Stats, &s.stats); err != nil {
				s.t.Error(err)
			}
		case e.DestIP != "10.77.0.1":
		case e.Type == "alert" && e.Alert.SID == 1:
			s.alerts++
		case e.SrcPort == s.longPort:
			s.long[e.Type]++
		}
	}
}

// connect opens a connection that is to last, and returns what asks once on it.
func (s *soak) connect(client *live.Host) func() error {
	s.t.Helper()
	var c net.Conn
	var err error
	client.Do(func() { c, err = net.DialTimeout("tcp", "10.77.0.1:80", 10*time.Second) })
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	s.longPort = c.LocalAddr().(*net.TCPAddr).Port
	in := bufio.NewReader(c)
	return func() error {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(c, "GET /item HTTP/1.1\r\nHost: 10.77.0.1\r\n\r\n"); err != nil {
			return err
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r.Body)
		return errors.Join(err, r.Body.Close())
	}
}

// replay sends captures again and again, at a rate that the machine bears. The result ends that.
func replay(t *testing.T, h *live.Host) (stop func()) {
	t.Helper()
	tool, err := exec.LookPath("tcpreplay")
	if err != nil {
		t.Logf("no replayed traffic: %v", err)
		return func() {}
	}
	files := []string{filepath.Join("..", "pcaps", "demo.pcap")}
	if dir := os.Getenv("SENTINEL_TRACES"); dir != "" {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".pcap") {
				return nil
			}
			if i, err := d.Info(); err == nil && i.Size() < 16<<20 && len(files) < 100 {
				files = append(files, path)
			}
			return nil
		})
	}
	cmd := exec.Command(tool, append([]string{"-q", "-i", "out0", "--pps=2000", "--loop=1000000"}, files...)...)
	h.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(stop)
	return stop
}

// packets is how many packets have passed an interface, both ways.
func packets(t *testing.T, h *live.Host, name string) uint64 {
	t.Helper()
	var l netlink.Link
	var err error
	h.Do(func() { l, err = netlink.LinkByName(name) })
	if err != nil {
		t.Fatal(err)
	}
	st := l.Attrs().Statistics
	return st.RxPackets + st.TxPackets
}

// settled is packets, when no more of them come.
func settled(t *testing.T, h *live.Host, name string) uint64 {
	t.Helper()
	last := packets(t, h, name)
	for range 100 {
		time.Sleep(300 * time.Millisecond)
		now := packets(t, h, name)
		if now == last {
			return now
		}
		last = now
	}
	t.Fatal("packets do not stop")
	return 0
}

// memory is what a process has in memory, in KiB.
func memory(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nVmRSS:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		t.Fatal("no VmRSS")
	}
	v, err := strconv.Atoi(f[0])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// growth is by how much of itself the median of the last quarter is greater than that of the third quarter: what is taken at the start
// does not count.
func growth(rss []int) float64 {
	n := len(rss)
	if n < 8 {
		return 0
	}
	median := func(l []int) float64 {
		l = slices.Sorted(slices.Values(l))
		return float64(l[len(l)/2])
	}
	before, after := median(rss[n/2:n*3/4]), median(rss[n*3/4:])
	return (after - before) / before
}
