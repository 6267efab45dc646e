//go:build linux

package live_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sentinel/qa/live"
)

// The engine as a program stands between a web server and those who ask it, through netfilter queues: each request alerts once, what
// is to be dropped gets no answer, a reload in the middle loses nothing, and SIGTERM ends it with all flows written.
func TestNFQueue(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	server, client := n.Host("in0", "10.77.0.1/24"), n.Host("out0", "10.77.0.2/24")
	path, err := exec.LookPath("iptables")
	if err != nil {
		live.Skip(t, "needs iptables to put packets into a queue")
	}
	dir := t.TempDir()
	get := web(t, dir, server, client)
	for _, rule := range []string{"INPUT -p tcp --dport 80", "OUTPUT -p tcp --sport 80"} {
		var out []byte
		var err error
		server.Do(func() {
			out, err = exec.Command(path, append([]string{"-w", "10", "-A"}, strings.Fields(rule+" -j NFQUEUE --queue-balance 0:1")...)...).CombinedOutput()
		})
		if err != nil {
			live.Skip(t, "iptables: %v: %s", err, out)
		}
	}
	file := filepath.Join(dir, "live.rules")
	rules := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const always = `alert http any any -> any any (msg:"request"; flow:to_server,established; http.uri; content:"/item"; sid:1;)
drop http any any -> any any (msg:"forbidden"; flow:to_server,established; http.uri; content:"/forbidden"; sid:3;)
`
	rules(always)
	p := &process{t: t, cmd: exec.Command(program(t), "-q", "0:1", "-S", file, "-l", dir, "-v", "--data-dir", t.TempDir()), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	server.Do(func() { err = p.cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/netfilter/nfnetlink_queue", p.cmd.Process.Pid))
		if strings.Count(string(b), "\n") == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the engine reads no queue\n%s", p.text())
		}
	}
	for i := range 20 {
		if i == 10 {
			rules(always + `alert http any any -> any any (msg:"new"; flow:to_server,established; http.uri; content:"/new"; sid:2;)` + "\n")
			p.signal(syscall.SIGUSR2) // and on with the traffic
		}
		if err := get(fmt.Sprintf("/item%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	p.said("rule reload complete")
	for i := range 5 {
		if err := get(fmt.Sprintf("/new%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if answered(t, client, "/forbidden") {
		t.Error("a request that a rule drops is answered")
	}
	p.signal(syscall.SIGTERM)
	p.ended(t)
	count := map[string]int{}
	for _, e := range read(t, filepath.Join(dir, "eve.json")) {
		if e.Type == "alert" {
			count[fmt.Sprint("alert ", e.Alert.SID)]++
		} else if e.DestPort == 80 {
			count[e.Type]++
		}
	}
	for what, want := range map[string]int{"alert 1": 20, "alert 2": 5, "alert 3": 1, "flow": 26} {
		if count[what] != want {
			t.Errorf("%s: %d, want %d", what, count[what], want)
		}
	}
	if t.Failed() {
		t.Logf("%v\n%s", count, p.text())
	}
}

// answered asks the web server, and reports whether something comes back within a while.
func answered(t *testing.T, client *live.Host, path string) bool {
	t.Helper()
	var c net.Conn
	var err error
	client.Do(func() { c, err = net.DialTimeout("tcp", "10.77.0.1:80", 10*time.Second) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: 10.77.0.1\r\nConnection: close\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	n, _ := c.Read(make([]byte, 100))
	return n > 0
}
