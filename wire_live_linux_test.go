package sentinel

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sentinel/qa/live"
	"sentinel/stream/app"
)

// talker is a UDP socket of a host, and where it sends.
type talker struct {
	t  *testing.T
	c  *net.UDPConn
	to *net.UDPAddr
}

func newTalker(t *testing.T, h *live.Host, addr, to string) *talker {
	t.Helper()
	k := &talker{t: t}
	h.Do(func() {
		var err error
		if k.to, err = net.ResolveUDPAddr("udp4", to); err != nil {
			t.Error(err)
		}
		c, err := net.ListenPacket("udp4", addr)
		if err != nil {
			t.Error(err)
			return
		}
		k.c = c.(*net.UDPConn)
	})
	if k.c == nil {
		t.FailNow()
	}
	t.Cleanup(func() { k.c.Close() })
	return k
}

func (k *talker) say(text string) {
	if _, err := k.c.WriteTo([]byte(text), k.to); err != nil {
		k.t.Error(err)
	}
}

// hear counts datagrams that begin with a text, until there are enough or none has come for a while.
func (k *talker) hear(text string, enough int, patience time.Duration) (n int) {
	b := make([]byte, 100)
	for n < enough {
		_ = k.c.SetReadDeadline(time.Now().Add(patience))
		size, _, err := k.c.ReadFrom(b)
		if err != nil {
			return n
		}
		if strings.HasPrefix(string(b[:size]), text) {
			n++
		}
	}
	return n
}

// A worker that is stuck or dead leaves a real wire as it is configured, in both directions: open, or closed. One that is back judges
// again.
func TestWireWithoutWorker(t *testing.T) {
	const pair = `
%[1]s:
  - interface: in0
    copy-iface: in1
  - interface: in1
    copy-iface: in0
  - interface: default
    copy-mode: ips
    threads: 1
    %[2]s
`
	for _, d := range []struct{ name, driver, config string }{
		{"af-packet v2", "af-packet", fmt.Sprintf(pair, "af-packet", "tpacket-v3: no")},
		{"af-packet v3", "af-packet", fmt.Sprintf(pair, "af-packet", "tpacket-v3: yes")},
		{"af-xdp", "af-xdp", fmt.Sprintf(pair, "af-xdp", "disable-promisc: no")},
	} {
		for _, open := range []bool{true, false} {
			for _, dies := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, open %v, dies %v", d.name, open, dies), func(t *testing.T) {
					wireWithoutWorker(t, d.driver, d.config, open, dies)
				})
			}
		}
	}
}

func wireWithoutWorker(t *testing.T, driver, config string, open, dies bool) {
	const many = 50
	n := live.New(t)
	n.Pair("in0", "left")
	n.Pair("in1", "right")
	for _, name := range []string{"in0", "left", "in1", "right"} {
		n.PlainFrames(name)
	}
	client := newTalker(t, n.Host("left", "10.7.0.1/24"), "10.7.0.1:7000", "10.7.0.2:7000")
	server := newTalker(t, n.Host("right", "10.7.0.2/24"), "10.7.0.2:7000", "10.7.0.1:7000")
	stalling := newTalkerOf(client, "10.7.0.2:7001")
	gate := make(chan struct{})
	var logged strings.Builder
	e, err := New(Options{
		Config: []byte("%YAML 1.1\n---\n" + config), NoLogs: true, IPS: true, stall: 250 * time.Millisecond, Log: zerolog.New(zerolog.SyncWriter(&logged)),
		Set:   []string{fmt.Sprintf("ips.fail-open=%v", open)},
		Rules: `drop udp any any -> any any (msg:"bad"; content:"bad"; sid:1;)`,
		more: []*app.Protocol{staller(func() {
			if dies {
				runtime.Goexit()
			}
			<-gate
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := e.Open(Selection{Driver: driver})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, sources...) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, s := range sources {
			s.Close()
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(logged.String())
		}
	}()
	// passes waits until something comes through, both ways.
	passes := func() bool {
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
			client.say("up")
			server.say("up")
			if server.hear("up", 1, 50*time.Millisecond) > 0 && client.hear("up", 1, 50*time.Millisecond) > 0 {
				return true
			}
		}
		return false
	}
	if !passes() {
		t.Fatal("nothing passes")
	}
	stalling.say("STALL")
	for end := time.Now().Add(15 * time.Second); e.Counters()["sentinel.inline.stalls"] == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody notices that the worker does not get on")
		}
	}
	time.Sleep(50 * time.Millisecond)
	for range many {
		client.say("bad") // nobody judges
		server.say("bad")
	}
	want := 0
	if open {
		want = many
	}
	if s, c := server.hear("bad", many, 500*time.Millisecond), client.hear("bad", many, 500*time.Millisecond); s != want || c != want {
		t.Errorf("%d and %d datagrams come through without a worker, want %d", s, c, want)
	}
	close(gate)
	if dies {
		return
	}
	if !passes() {
		t.Fatal("nothing passes after the worker is back")
	}
	// The one that stands in may still be at it.
	before := e.Counters()["ips.blocked"]
	for end := time.Now().Add(15 * time.Second); e.Counters()["ips.blocked"] == before; time.Sleep(10 * time.Millisecond) {
		client.say("bad")
		if time.Now().After(end) {
			t.Fatal("the worker is back, but does not judge")
		}
	}
	server.hear("none", 1, 200*time.Millisecond) // what came through until then
	client.say("bad")
	if server.hear("bad", 1, 200*time.Millisecond) > 0 {
		t.Error("what is to be dropped comes through after the worker is back")
	}
}

// newTalkerOf is a talker that sends from the same socket to somewhere else.
func newTalkerOf(k *talker, to string) *talker {
	addr, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		k.t.Fatal(err)
	}
	return &talker{t: k.t, c: k.c, to: addr}
}
