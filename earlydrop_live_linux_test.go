package sentinel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sentinel/qa/live"
)

// Hosts that a threshold drops, and networks from a file, do not reach the engine any more; their packets are counted. A reload reads
// the file again.
func TestEarlyDropLive(t *testing.T) {
	for _, mode := range []string{"driver", "soft"} {
		t.Run(mode, func(t *testing.T) { earlyDropLive(t, mode) })
	}
}

func earlyDropLive(t *testing.T, mode string) {
	n := live.New(t)
	n.Pair("in0", "out0")
	file := filepath.Join(t.TempDir(), "networks")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# bad ones\n10.1.4.0/24 ; known\n\nfd00::500/120\n10.1.4.0/24\n")
	var logged strings.Builder
	e, err := New(Options{
		Config: []byte(fmt.Sprintf(`%%YAML 1.1
---
af-packet:
  - interface: in0
    threads: 1
early-drop:
  enabled: yes
  xdp-mode: %s
  networks: [%s]
`, mode, file)), NoLogs: true, IPS: true, Log: zerolog.New(zerolog.SyncWriter(&logged)),
		Rules: `drop udp any any -> any 9999 (msg:"too many"; content:"..."; detection_filter:track by_src, count 3, seconds 60; sid:1;)`,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	sources, err := e.Open(Selection{Driver: "af-packet"})
	if err != nil {
		t.Fatal(err)
	}
	if e.early.dropper == nil {
		t.Fatalf("no XDP:\n%s", logged.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, sources...) }()
	stat := func(name string) uint64 { return e.Counters()["sentinel.early_drop."+name] }
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s\n%s\n%v", what, logged.String(), e.early.running.Load())
			}
		}
	}
	send := n.Sender("out0")
	var bytes uint64
	burst := func(flow, count int) {
		t.Helper()
		for range count {
			f := datagram(flow, false, 50)
			bytes += uint64(len(f))
			if err := send.Send(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	until("the networks are dropped", func() bool { return e.early.running.Load() != nil && stat("networks") == 2 })
	burst(1024+1, 10) // of the first network
	burst(1280+4, 20) // of the second
	until("their packets are counted", func() bool { return stat("packets") == 30 })
	if got := stat("bytes"); got != bytes {
		t.Errorf("%d bytes dropped, %d sent", got, bytes)
	}
	burst(1, 10)
	burst(3, 10) // IPv6
	until("the hosts are dropped", func() bool { return stat("hosts") == 2 })
	before := stat("packets")
	burst(1, 50)
	burst(3, 50)
	burst(2, 1) // another host
	until("their packets are counted", func() bool { return stat("packets") == before+100 })

	write("10.1.5.0/24\nnonsense\n")
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	if stat("networks") != 1 || !strings.Contains(logged.String(), file+":2: not a network") {
		t.Errorf("%d networks\n%s", stat("networks"), logged.String())
	}
	burst(1024+1, 2)
	time.Sleep(50 * time.Millisecond)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	count := e.Counters()
	if all := 30 + 20 + 100 + 1 + 2; count["decoder.pkts"]+stat("packets") != uint64(all) || count["capture.kernel_drops"] != 0 {
		t.Errorf("seen %d, dropped early %d, sent %d", count["decoder.pkts"], stat("packets"), all)
	}
	for _, s := range sources {
		s.Close()
	}
}
