//go:build linux

package live_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sentinel/qa/live"
)

// inlineWay is a way to be between hosts.
type inlineWay struct {
	name, option, config string
	queue                string // options of the rule that fills the netfilter queues
	queues               bool
	// open is what the wire is when the process has been killed: whoever has set it up decides that.
	open bool
}

func inlineWays() []inlineWay {
	packet := strings.ReplaceAll(fmt.Sprintf(tapConfig, "af-packet"), "copy-mode: tap", "copy-mode: ips")
	return []inlineWay{
		{name: "af-packet v2", option: "--af-packet", config: packet + "    tpacket-v3: no\n"},
		{name: "af-packet v3", option: "--af-packet", config: packet + "    tpacket-v3: yes\n"},
		{name: "af-xdp", option: "--af-xdp", config: strings.ReplaceAll(fmt.Sprintf(tapConfig, "af-xdp"), "copy-mode: tap", "copy-mode: ips")},
		{name: "dpdk", option: "--dpdk", config: strings.ReplaceAll(dpdkTap, "copy-mode: tap", "copy-mode: ips")},
		{name: "nfq", option: "-q0:1", queues: true},
		{name: "nfq, queue-bypass", option: "-q0:1", queues: true, queue: "--queue-bypass", open: true},
	}
}

// On each way between two hosts: a flow that a rule has dropped stays dropped, in both directions, and others go on. After kill -9 the
// wire is closed, or open where netfilter is told so; and another engine takes it up again.
func TestInline(t *testing.T) {
	for _, w := range inlineWays() {
		t.Run(w.name, func(t *testing.T) {
			if w.name == "dpdk" && tags != "dpdk" {
				t.Skip("needs a build with -tags dpdk")
			}
			w.run(t)
		})
	}
}

func (w *inlineWay) run(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "left")
	n.PlainFrames("in0")
	n.PlainFrames("left")
	var engine, server *live.Host
	if w.queues {
		server = n.Host("in0", "10.77.0.1/24")
		throughQueues(t, server, w.queue)
		engine = server
	} else {
		n.Pair("in1", "right")
		n.PlainFrames("in1")
		n.PlainFrames("right")
		server = n.Host("right", "10.77.0.1/24")
	}
	client := n.Host("left", "10.77.0.2/24")
	dir := t.TempDir()
	config, rules := filepath.Join(dir, "inline.yaml"), filepath.Join(dir, "inline.rules")
	for name, text := range map[string]string{
		config: "%YAML 1.1\n---\noutputs:\n  - eve-log: {enabled: yes, filename: eve.json, types: [alert, drop, flow]}\nunix-command: {enabled: no}\n" + w.config,
		rules:  `drop tcp any any -> any 7000 (msg:"evil"; flow:to_server,established; content:"evil"; sid:1;)` + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-c", config, "-S", rules, "-l", dir, w.option}
	p := launch(t, engine, args...)
	s := newLineServer(t, server, "10.77.0.1:7000")
	dial := func(wait time.Duration) (net.Conn, error) {
		var c net.Conn
		var err error
		client.Do(func() { c, err = net.DialTimeout("tcp4", "10.77.0.1:7000", wait) })
		return c, err
	}
	must := func() net.Conn {
		t.Helper()
		c, err := dial(15 * time.Second)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.text())
		}
		t.Cleanup(func() { c.Close() })
		return c
	}

	good, bad := must(), must()
	for _, c := range []net.Conn{good, bad} {
		if !exchange(c, "hello\n", 15*time.Second) {
			t.Fatalf("no answer to what no rule drops\n%s", p.text())
		}
	}
	theirs := s.of(bad)
	if _, err := bad.Write([]byte("evil\n")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	_, _ = bad.Write([]byte("harmless\n")) // and the host sends all of it again and again
	_, _ = theirs.Write([]byte("from the server\n"))
	_ = bad.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	b := make([]byte, 100)
	if k, err := bad.Read(b); err == nil {
		t.Errorf("the client hears %q on a flow that is dropped", b[:k])
	}
	if got := s.heard(bad); got != "hello\n" {
		t.Errorf("the server heard %q", got)
	}
	if !exchange(good, "more\n", 15*time.Second) {
		t.Errorf("another flow does not go on\n%s", p.text())
	}

	p.signal(syscall.SIGKILL)
	<-p.done
	c, err := dial(1200 * time.Millisecond)
	if err == nil {
		c.Close()
	}
	if passes := err == nil; passes != w.open {
		t.Errorf("after kill -9 connections pass: %v, want %v", passes, w.open)
	}
	p = launch(t, engine, args...)
	if c := must(); !exchange(c, "again\n", 15*time.Second) {
		t.Errorf("no answer through the engine that took over\n%s", p.text())
	}
	p.signal(syscall.SIGTERM)
	p.ended(t)
	if t.Failed() {
		t.Log(p.text())
	}
}

// exchange says a line, and reports whether the same comes back.
func exchange(c net.Conn, line string, wait time.Duration) bool {
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte(line)); err != nil {
		return false
	}
	b := make([]byte, len(line))
	for n := 0; n < len(b); {
		k, err := c.Read(b[n:])
		if err != nil {
			return false
		}
		n += k
	}
	return string(b) == line
}

// lineServer answers with what it is told, and remembers that.
type lineServer struct {
	mu    sync.Mutex
	conns map[string]net.Conn // by the client's address
	text  map[string]string
}

func newLineServer(t *testing.T, h *live.Host, addr string) *lineServer {
	t.Helper()
	var l net.Listener
	var err error
	h.Do(func() { l, err = net.Listen("tcp4", addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &lineServer{conns: map[string]net.Conn{}, text: map[string]string{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *lineServer) serve(c net.Conn) {
	defer c.Close()
	who := c.RemoteAddr().String()
	s.mu.Lock()
	s.conns[who] = c
	s.mu.Unlock()
	b := make([]byte, 1000)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.text[who] += string(b[:n])
		s.mu.Unlock()
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// of is the server's end of a connection.
func (s *lineServer) of(c net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[c.LocalAddr().String()]
}

// heard is what the client has said on a connection.
func (s *lineServer) heard(c net.Conn) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text[c.LocalAddr().String()]
}
