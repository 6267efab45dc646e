package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sentinel/qa/live"
)

// liveWait is how long a live test waits for something to happen.
const liveWait = 15 * time.Second

// program is the program on its way, in the network namespace of the test.
type program struct {
	t      *testing.T
	dir    string
	stderr safeBuffer
}

// safeBuffer is a buffer that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// watch runs the program on this goroutine, which is in the namespace, while steps run on another one. After the steps the
// program is told to stop.
func watch(t *testing.T, args []string, steps func(p *program)) *program {
	t.Helper()
	p := &program{t: t, dir: t.TempDir()}
	t.Setenv("XDG_CACHE_HOME", p.dir)
	// A signal that comes before the program listens must not end the test.
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGINT, syscall.SIGUSR2, syscall.SIGHUP)
	defer signal.Stop(c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.signal(syscall.SIGINT)
		steps(p)
	}()
	var stdout safeBuffer
	status := run(append(args, "-l", p.dir, "--set", "unix-command.filename="+filepath.Join(p.dir, "s")), &stdout, &p.stderr)
	<-done
	if status != 0 {
		t.Errorf("status %d\n%s%s", status, &stdout, &p.stderr)
	}
	return p
}

func (p *program) signal(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		p.t.Error(err)
	}
}

// until does something again and again until a file of the output has a text.
func (p *program) until(name, text string, do func()) bool {
	for end := time.Now().Add(liveWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if do != nil {
			do()
		}
		if b, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil && bytes.Contains(b, []byte(text)) {
			return true
		}
	}
	b, _ := os.ReadFile(filepath.Join(p.dir, name))
	p.t.Errorf("%s has no %s:\n%.3000s\n%s", name, text, b, &p.stderr)
	return false
}

// datagram is a UDP packet to port 9999.
func datagram(payload string) []byte {
	udp := append([]byte{0x30, 0x39, 0x27, 0x0f, 0, byte(8 + len(payload)), 0, 0}, payload...)
	ip := []byte{0x45, 0, 0, byte(20 + len(udp)), 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	sum = ^(sum>>16 + sum&0xffff)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, append(ip, udp...)...)
}

// An interface is watched; rules are read again and logs opened anew while packets come.
func TestLivePassive(t *testing.T) {
	n := live.New(t)
	n.Pair("sen0", "peer0")
	s := n.Sender("peer0")
	send := func() {
		if err := s.Send(datagram("hello sentinel")); err != nil {
			t.Error(err)
		}
	}
	rules := filepath.Join(t.TempDir(), "live.rules")
	rule := func(sid int) {
		text := fmt.Sprintf("alert udp any any -> any 9999 (msg:\"live\"; content:\"sentinel\"; sid:%d;)\n", sid)
		if err := os.WriteFile(rules, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
	rule(1)
	watch(t, []string{"--quiet", "-S", rules, "--af-packet=sen0"}, func(p *program) {
		if !p.until("eve.json", `"signature_id":1,`, send) {
			return
		}
		rule(2)
		p.signal(syscall.SIGUSR2)
		p.until("eve.json", `"signature_id":2,`, send)
		p.until("suricata.log", "rule reload complete", nil)
		if err := os.Rename(filepath.Join(p.dir, "eve.json"), filepath.Join(p.dir, "eve.old")); err != nil {
			t.Error(err)
		}
		p.signal(syscall.SIGHUP)
		p.until("eve.json", `"signature_id":2,`, send)
	})
}

// Between two interfaces, what a rule drops does not arrive, and what it does not drop does.
func TestLiveInline(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "left")
	n.Pair("in1", "right")
	client, server := n.Host("left", "10.7.0.1/24"), n.Host("right", "10.7.0.2/24")
	dir := t.TempDir()
	config := filepath.Join(dir, "inline.yaml")
	rules := filepath.Join(dir, "inline.rules")
	for name, text := range map[string]string{
		config: `%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, drop, flow]}
af-packet:
  - interface: in0
    copy-iface: in1
  - interface: in1
    copy-iface: in0
  - interface: default
    copy-mode: ips
    threads: 1
    cluster-id: 0
`,
		rules: "drop udp any any -> any 9999 (msg:\"evil\"; content:\"evil\"; sid:1;)\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var in, out net.PacketConn
	server.Do(func() {
		var err error
		if in, err = net.ListenPacket("udp4", "10.7.0.2:9999"); err != nil {
			t.Error(err)
		}
	})
	client.Do(func() {
		var err error
		if out, err = net.ListenPacket("udp4", "10.7.0.1:0"); err != nil {
			t.Error(err)
		}
	})
	if in == nil || out == nil {
		return
	}
	defer in.Close()
	defer out.Close()
	to := &net.UDPAddr{IP: net.IPv4(10, 7, 0, 2), Port: 9999}
	say := func(text string) {
		if _, err := out.WriteTo([]byte(text), to); err != nil {
			t.Error(err)
		}
	}
	// heard says something until something arrives, and returns that.
	heard := func(text string) string {
		b := make([]byte, 100)
		for end := time.Now().Add(liveWait); time.Now().Before(end); {
			say(text)
			_ = in.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if n, _, err := in.ReadFrom(b); err == nil {
				return string(b[:n])
			}
		}
		return ""
	}
	var first string
	var rest []string
	watch(t, []string{"--quiet", "-c", config, "-S", rules, "--af-packet"}, func(p *program) {
		if first = heard("good"); first != "good" {
			return
		}
		p.until("eve.json", `"signature_id":1,`, func() { say("evil") })
		time.Sleep(100 * time.Millisecond)
		_ = in.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		b := make([]byte, 100)
		for {
			n, _, err := in.ReadFrom(b)
			if err != nil {
				return
			}
			rest = append(rest, string(b[:n]))
		}
	})
	if first != "good" {
		t.Errorf("%q arrives instead of the good packet", first)
	}
	for _, r := range rest {
		if r == "evil" {
			t.Error("a packet arrives that a rule drops")
		}
	}
}
