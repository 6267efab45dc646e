//go:build linux

package live_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sentinel/qa/live"
)

// way is how the engine gets to see what hosts say to each other.
type way struct {
	name   string
	args   []string
	config string // besides what all have
	// tap: it stands between two interfaces and forwards everything. Otherwise it is in the server.
	tap bool
	// queue: the server's packets go through netfilter queues.
	queue bool
	// fewer: it does not see all frames: a queue has no ARP.
	fewer bool
}

const tapConfig = `
%[1]s:
  - interface: in0
    copy-iface: in1
  - interface: in1
    copy-iface: in0
  - interface: default
    copy-mode: tap
    threads: 1
`

const dpdkTap = `
dpdk:
  eal-params:
    no-huge:
    no-pci:
    vdev: ["net_af_packet0,iface=in0", "net_af_packet1,iface=in1"]
  interfaces:
    - interface: net_af_packet0
      copy-iface: net_af_packet1
    - interface: net_af_packet1
      copy-iface: net_af_packet0
    - interface: default
      copy-mode: tap
      threads: 1
      mempool-size: 8191
      rx-descriptors: 1024
      tx-descriptors: 1024
`

var programWays = []way{
	{name: "af-packet", args: []string{"--af-packet=in0", "--workers", "2"}, config: "\naf-packet:\n  - interface: in0\n    defrag: no\n"},
	{name: "pcap", args: []string{"--pcap=in0"}},
	{name: "nfq", args: []string{"-q", "0:1"}, queue: true, fewer: true},
	{name: "af-packet tap", args: []string{"--af-packet"}, config: fmt.Sprintf(tapConfig, "af-packet"), tap: true},
	{name: "af-xdp tap", args: []string{"--af-xdp"}, config: fmt.Sprintf(tapConfig, "af-xdp"), tap: true},
	{name: "dpdk tap", args: []string{"--dpdk"}, config: dpdkTap, tap: true},
}

// programRules look at what programs do in as many ways as there are kinds of rules: packets, streams, transactions, files.
const programRules = `
alert http any any -> any 80 (msg:"request"; flow:to_server,established; http.uri; content:"/item"; sid:1;)
alert http any 80 -> any any (msg:"status"; flow:to_client; http.stat_code; content:"200"; sid:2;)
alert http any any -> any any (msg:"body"; flow:to_client; file.data; content:"hello"; sid:3;)
alert http any any -> any any (msg:"agent"; http.user_agent; content:"curl"; sid:4;)
alert tcp any any -> any 80 (msg:"stream"; flow:to_server,established; content:"GET /item"; sid:5;)
alert tcp any any -> any any (msg:"packet"; flags:S; sid:6;)
alert tcp any any -> any any (msg:"end"; flags:F+; sid:7;)
alert dns any any -> any any (msg:"query"; dns.query; content:"sentinel"; nocase; sid:8;)
alert udp any 53 -> any any (msg:"answer"; content:"|c0 00 02 07|"; sid:9;)
alert tcp any 22 -> any any (msg:"ssh server"; flow:to_client,established; content:"SSH-2.0"; startswith; sid:10;)
alert tcp any any -> any 22 (msg:"ssh client"; flow:to_server,established; content:"OpenSSH"; sid:11;)
alert icmp any any -> any any (msg:"ping"; itype:8; sid:12;)
alert tls any any -> any any (msg:"name"; tls.sni; content:"sentinel.test"; sid:13;)
alert http any any -> any any (msg:"large"; flow:to_client; filesize:>100000; sid:14;)
`

// What real programs say to each other alerts as it does when a record of the same traffic is read from a file, and every frame is
// accounted for.
func TestPrograms(t *testing.T) {
	for i := range programWays {
		w := &programWays[i]
		t.Run(w.name, func(t *testing.T) {
			if strings.HasPrefix(w.name, "dpdk") && tags != "dpdk" {
				t.Skip("needs a build with -tags dpdk")
			}
			w.run(t)
		})
	}
}

func (w *way) run(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		live.Skip(t, "needs tcpdump to record")
	}
	n := live.New(t)
	n.Pair("in0", "left")
	n.PlainFrames("in0")
	n.PlainFrames("left")
	var server, client *live.Host
	var engine *live.Host // where the engine is; nil = in the test's namespace
	watched, recorded := "in0", "in0"
	if w.tap {
		n.Pair("in1", "right")
		n.PlainFrames("in1")
		n.PlainFrames("right")
		server, recorded = n.Host("right", "10.77.0.1/24"), "right"
	} else {
		server = n.Host("in0", "10.77.0.1/24")
		engine = server
	}
	client = n.Host("left", "10.77.0.2/24")
	if w.queue {
		throughQueues(t, server, "")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("programs.rules", programRules)
	config := write("programs.yaml", `%YAML 1.1
---
stats: {enabled: yes, interval: 60}
stream: {midstream: no}
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, flow, stats]}
logging: {outputs: [{console: {enabled: yes}}]}
unix-command: {enabled: no}
`+w.config)

	count := func() uint64 {
		if w.tap {
			return rxPackets(t, "in0") + rxPackets(t, "in1")
		}
		return packets(t, server, watched)
	}
	before := count()
	p := launch(t, engine, append([]string{"-c", config, "-S", rules, "-l", dir}, w.args...)...)
	record := filepath.Join(dir, "record.pcap")
	stop := recorder(t, server, recorded, record)

	talk(t, dir, server, client)

	sent := count()
	for range 100 {
		time.Sleep(300 * time.Millisecond)
		now := count()
		if now == sent {
			break
		}
		sent = now
	}
	sent -= before
	p.signal(syscall.SIGTERM)
	p.ended(t)
	stop()

	offline := filepath.Join(dir, "offline")
	if err := os.Mkdir(offline, 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", config, "-S", rules, "-l", offline, "--data-dir", t.TempDir(), "-r", record}
	if w.queue {
		args = append(args, "--simulate-ips")
	}
	if out, err := exec.Command(program(t), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, stats := alerts(t, filepath.Join(dir, "eve.json"))
	want, file := alerts(t, filepath.Join(offline, "eve.json"))
	sids := map[string]int{}
	for k, v := range want {
		sid, _, _ := strings.Cut(k, " ")
		sids[sid] += v
	}
	t.Logf("%d frames, %d seen, %d dropped, %d bypassed; %d recorded; alerts by rule %v", sent, stats.decoded(), stats.dropped(), stats.bypassed(), file.decoded(), sids)
	if len(sids) < 5 {
		t.Errorf("the record has alerts of the rules %v only", sids)
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] != want[k] {
			t.Errorf("alert %s: %d, of the record %d", k, got[k], want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if want[k] == 0 {
			t.Errorf("alert %s: %d, of the record none", k, got[k])
		}
	}
	seen := stats.decoded() + stats.dropped() + stats.bypassed()
	if w.fewer {
		if ip := stats.Decoder.IPv4; ip != file.Decoder.IPv4 || stats.decoded() != ip {
			t.Errorf("%d packets seen, %d of IPv4; the record has %d", stats.decoded(), ip, file.Decoder.IPv4)
		}
	} else if seen != sent || file.decoded() != sent {
		t.Errorf("%d frames were sent; %d seen, %d dropped, %d bypassed; %d recorded", sent, stats.decoded(), stats.dropped(), stats.bypassed(), file.decoded())
	}
	if t.Failed() {
		t.Log(p.text())
	}
}

// launch starts the engine in a host, or in the namespace of the test, and waits until its workers are there.
func launch(t *testing.T, h *live.Host, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	p := &process{t: t, cmd: exec.Command(program(t), append([]string{"--data-dir", dir, "--pidfile", pid}, args...)...), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	var err error
	if h == nil {
		err = p.cmd.Start()
	} else {
		h.Do(func() { err = p.cmd.Start() })
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(pid); err == nil && len(b) > 0 {
			return p
		}
		select {
		case err := <-p.done:
			if strings.Contains(p.text(), "DPDK does not start") {
				live.Skip(t, "no rights, or a driver is not installed: %s", p.text())
			}
			t.Fatalf("the engine ended: %v\n%s", err, p.text())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the engine does not start\n%s", p.text())
		}
	}
}

// throughQueues brings packets of a host into the netfilter queues 0 and 1. More options may follow.
func throughQueues(t *testing.T, h *live.Host, more string) {
	t.Helper()
	path, err := exec.LookPath("iptables")
	if err != nil {
		live.Skip(t, "needs iptables to put packets into a queue")
	}
	for _, chain := range []string{"INPUT ! -i lo", "OUTPUT ! -o lo"} {
		var out []byte
		h.Do(func() {
			out, err = exec.Command(path, strings.Fields("-w 10 -A "+chain+" -j NFQUEUE --queue-balance 0:1 "+more)...).CombinedOutput()
		})
		if err != nil {
			live.Skip(t, "iptables: %v: %s", err, out)
		}
	}
}

// recorder writes what passes an interface to a file, until the result is called.
func recorder(t *testing.T, h *live.Host, name, path string) (stop func()) {
	t.Helper()
	said := &process{t: t}
	cmd := exec.Command("tcpdump", "--immediate-mode", "-i", name, "-s", "0", "-B", "65536", "-U", "-n", "-Z", "root", "-w", path)
	cmd.Stderr = said
	var err error
	h.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	said.said("listening on")
	return func() {
		t.Helper()
		time.Sleep(200 * time.Millisecond) // what is in its buffer
		_ = cmd.Process.Signal(syscall.SIGINT)
		err := cmd.Wait()
		if ended = true; err != nil || !strings.Contains(said.text(), "\n0 packets dropped by kernel") {
			t.Fatalf("tcpdump: %v: %s", err, said.text())
		}
	}
}

// talk has real programs of the client talk to real programs of the server. What is not installed is left out, and told.
func talk(t *testing.T, dir string, server, client *live.Host) {
	t.Helper()
	get := web(t, dir, server, client)
	for i := range 8 {
		if err := get(fmt.Sprintf("/item%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	missing := func(tools ...string) bool {
		for _, tool := range tools {
			if _, err := exec.LookPath(tool); err != nil {
				t.Logf("%s is not installed", tool)
				return true
			}
		}
		return false
	}
	// ask runs a client until what it prints contains a text.
	ask := func(want string, args ...string) {
		t.Helper()
		var out []byte
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			client.Do(func() { out, _ = exec.Command(args[0], args[1:]...).CombinedOutput() })
			if bytes.Contains(out, []byte(want)) {
				return
			}
		}
		t.Errorf("%s: %s", strings.Join(args, " "), out)
	}
	if !missing("ping") {
		ask(" 0% packet loss", "ping", "-c", "3", "-i", "0.2", "10.77.0.1")
	}
	if !missing("nginx", "openssl", "curl") {
		tlsServer(t, dir, server)
		ask("hello", "curl", "-sSk", "--noproxy", "*", "--max-time", "10", "--resolve", "sentinel.test:443:10.77.0.1", "https://sentinel.test/item")
		ask("330000", "curl", "-sS", "--noproxy", "*", "--max-time", "10", "-o", "/dev/null", "-w", "%{size_download}", "http://10.77.0.1:8080/large")
	}
	if !missing("dnsmasq", "dig") {
		background(t, server, exec.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="+filepath.Join(dir, "dnsmasq.pid"),
			"--listen-address=10.77.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root", "--address=/sentinel.test/192.0.2.7"))
		for _, name := range []string{"a", "B", "c"} {
			ask("192.0.2.7", "dig", "@10.77.0.1", name+".sentinel.test", "+time=2", "+tries=1", "+short")
		}
		ask("192.0.2.7", "dig", "@10.77.0.1", "d.sentinel.test", "+tcp", "+time=2", "+tries=1", "+short")
	}
	if !missing("sshd", "ssh", "ssh-keygen") {
		if _, err := os.Stat("/run/sshd"); err != nil {
			t.Logf("sshd does not run without its folder: %v", err)
			return
		}
		key := filepath.Join(dir, "host")
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
		sshd, err := exec.LookPath("sshd")
		if err != nil {
			t.Fatal(err)
		}
		background(t, server, exec.Command(sshd, "-D", "-f", "/dev/null", "-h", key, "-o", "ListenAddress=10.77.0.1", "-o", "PidFile=none", "-o", "UsePAM=no"))
		// That it lets nobody in is well.
		ask("ermission denied", "ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
			"-o", "IdentityFile=none", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=5", "nobody@10.77.0.1")
	}
}

// tlsServer starts a web server on port 443, and on port 8080 one that has a large file.
func tlsServer(t *testing.T, dir string, server *live.Host) {
	t.Helper()
	if out, err := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", filepath.Join(dir, "key"), "-out", filepath.Join(dir, "cert"),
		"-days", "2", "-subj", "/CN=sentinel.test").CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	conf := filepath.Join(dir, "tls.conf")
	// nginx as root serves files as root with one process; the folder is ours.
	if err := os.WriteFile(filepath.Join(dir, "large"), bytes.Repeat([]byte("large file "), 30000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(`daemon off; master_process off; pid DIR/tls.pid; error_log DIR/tls.log;
events {}
http {
	access_log off; sendfile off;
	client_body_temp_path DIR/6; proxy_temp_path DIR/7; fastcgi_temp_path DIR/8; uwsgi_temp_path DIR/9; scgi_temp_path DIR/10;
	server { listen 10.77.0.1:443 ssl; ssl_certificate DIR/cert; ssl_certificate_key DIR/key; location / { return 200 "hello"; } }
	server { listen 10.77.0.1:8080; location /large { alias DIR/large; } }
}
`, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, server, exec.Command("nginx", "-c", conf, "-e", filepath.Join(dir, "tls.log")))
}

// finalStats is what the last statistics of a run say.
type finalStats struct {
	Capture struct {
		Drops uint64 `json:"kernel_drops"`
	} `json:"capture"`
	Bypassed struct {
		Packets uint64 `json:"pkts"`
	} `json:"flow_bypassed"`
	Decoder struct {
		Packets uint64 `json:"pkts"`
		IPv4    uint64 `json:"ipv4"`
	} `json:"decoder"`
}

func (s *finalStats) decoded() uint64  { return s.Decoder.Packets }
func (s *finalStats) dropped() uint64  { return s.Capture.Drops }
func (s *finalStats) bypassed() uint64 { return s.Bypassed.Packets }

// alerts counts alerts by rule and endpoints, and returns the last statistics.
func alerts(t *testing.T, path string) (map[string]int, *finalStats) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count, last := map[string]int{}, &finalStats{}
	for _, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var e struct {
			Type     string `json:"event_type"`
			SrcIP    string `json:"src_ip"`
			DestIP   string `json:"dest_ip"`
			SrcPort  int    `json:"src_port"`
			DestPort int    `json:"dest_port"`
			Alert    struct {
				SID int `json:"signature_id"`
			} `json:"alert"`
			Stats *finalStats `json:"stats"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch {
		case e.Type == "alert":
			count[fmt.Sprintf("%d %s:%d %s:%d", e.Alert.SID, e.SrcIP, e.SrcPort, e.DestIP, e.DestPort)]++
		case e.Stats != nil:
			last = e.Stats
		}
	}
	return count, last
}

// rxPackets is how many packets an interface of the test's namespace has received.
func rxPackets(t *testing.T, name string) uint64 {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Statistics.RxPackets
}
