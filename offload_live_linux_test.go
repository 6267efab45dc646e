package sentinel

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/vishvananda/netlink"

	"sentinel/qa/live"
)

// datagram is a UDP frame of flow n (RFC 768, 791, 8200, 802.1Q), in one of its directions. Every third flow is IPv6, every fifth
// has a VLAN tag, every tenth two.
func datagram(n int, back bool, size int) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	if n%10 == 0 {
		b = append(b, 0x81, 0, 0, 77)
	}
	if n%5 == 0 {
		b = append(b, 0x81, 0, 0, 42)
	}
	src, dst := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), netip.MustParseAddr("10.2.0.1")
	if n%3 == 0 {
		src, dst = netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(n >> 8), 15: byte(n)}), netip.MustParseAddr("fd02::1")
	}
	sp, dp := uint16(20000+n%7), uint16(9999)
	if back {
		src, dst, sp, dp = dst, src, dp, sp
	}
	udp := binary.BigEndian.AppendUint16(nil, sp)
	udp = binary.BigEndian.AppendUint16(udp, dp)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+size))
	udp = append(udp, 0, 0)
	udp = append(udp, bytes.Repeat([]byte{'.'}, size)...)
	if src.Is4() {
		ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0}
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
		ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
		sum := uint32(0)
		for i := 0; i < len(ip); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(ip[i:]))
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
		return append(append(append(b, 8, 0), ip...), udp...)
	}
	// An IPv6 datagram needs a checksum; 0 would be refused by a host, not by an engine that does not check it.
	ip := []byte{0x60, 0, 0, 0, 0, 0, 17, 64}
	binary.BigEndian.PutUint16(ip[4:], uint16(len(udp)))
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	return append(append(append(b, 0x86, 0xdd), ip...), udp...)
}

// flowEvent is what these tests look at in flow and netflow records.
type flowEvent struct {
	Type    string `json:"event_type"`
	SrcIP   string `json:"src_ip"`
	SrcPort int    `json:"src_port"`
	Flow    struct {
		PktsTS   uint64 `json:"pkts_toserver"`
		PktsTC   uint64 `json:"pkts_toclient"`
		BytesTS  uint64 `json:"bytes_toserver"`
		BytesTC  uint64 `json:"bytes_toclient"`
		State    string `json:"state"`
		Bypass   string `json:"bypass"`
		Bypassed *struct {
			PktsTS  uint64 `json:"pkts_toserver"`
			BytesTC uint64 `json:"bytes_toclient"`
		} `json:"bypassed"`
	} `json:"flow"`
	Netflow struct {
		Pkts, Bytes uint64
	} `json:"netflow"`
}

const bypassConfig = `%%YAML 1.1
---
%s:
  - interface: in0
    threads: %d
    cluster-id: 77
    cluster-type: cluster_flow
    bypass: yes
    %s
bypass:
  max-flows: %d
outputs:
  - eve-log:
      enabled: yes
      filename: eve.json
      types: [flow, netflow]
`

// What goes past the engine is in the flow records to the last byte, for all flows, and in the counters.
func TestBypassLive(t *testing.T) {
	for _, c := range []struct {
		driver, mode string
		flows        int
		room         int
	}{
		{"af-packet", "xdp-mode: driver", 10000, 65536},
		{"af-packet", "xdp-mode: soft", 10000, 65536},
		{"af-packet", "xdp-mode: driver", 2000, 500},
		{"af-xdp", "force-xdp-mode: drv", 10000, 65536},
		{"af-xdp", "force-xdp-mode: skb", 2000, 500},
	} {
		t.Run(fmt.Sprintf("%s %s %d of %d", c.driver, c.mode, c.flows, c.room), func(t *testing.T) {
			bypassLive(t, c.driver, c.mode, c.flows, c.room)
		})
	}
}

func bypassLive(t *testing.T, driver, mode string, flows, room int) {
	if testing.Short() {
		flows, room = flows/10, room/10
	}
	threads := 2
	if driver == "af-xdp" {
		threads = 1 // a socket a queue, and there is one queue
	}
	n := live.New(t)
	n.Pair("in0", "out0")
	var mu sync.Mutex
	var events []flowEvent
	var logged strings.Builder
	e, err := New(Options{
		Config: []byte(fmt.Sprintf(bypassConfig, driver, threads, mode, room)), LogDir: t.TempDir(),
		Rules: `alert udp any any -> any 9999 (msg:"seen enough"; noalert; bypass; sid:1;)`,
		Log:   zerolog.New(zerolog.SyncWriter(&logged)),
		OnEvent: func(line []byte) {
			var x flowEvent
			if err := json.Unmarshal(line, &x); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			mu.Lock()
			events = append(events, x)
			mu.Unlock()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := e.Open(Selection{Driver: driver})
	if err != nil {
		t.Fatal(err)
	}
	if e.offload.below == nil {
		t.Fatalf("no XDP:\n%s", logged.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, sources...) }()

	send := n.Sender("out0")
	type sum struct{ pkts, bytes [2]uint64 }
	want := make([]sum, flows)
	var sent uint64
	burst := func(back bool, size int) {
		d := 0
		if back {
			d = 1
		}
		for i := range flows {
			f := datagram(i, back, size)
			if err := send.Send(f); err != nil {
				t.Fatal(err)
			}
			sent++
			want[i].pkts[d]++
			want[i].bytes[d] += uint64(len(f))
			if i%5 == 0 && driver == "af-packet" {
				want[i].bytes[d] -= 4 // the kernel takes the outer tag out of the frame for every capture
			}
			if i%100 == 99 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	carried := func() (n uint64) {
		for _, s := range e.BypassStats() {
			n += s.Held[0] + s.Held[1]
		}
		return n
	}
	burst(false, 30)
	expect := uint64(min(flows, 2*room))
	for end := time.Now().Add(60 * time.Second); carried() < expect; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d flows are carried below", carried(), expect)
		}
	}
	for i := range 3 {
		burst(true, 100+i)
		burst(false, 200+i)
		time.Sleep(400 * time.Millisecond) // there are sweeps meanwhile
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	count := e.Counters()
	for _, s := range sources {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	var pkts, bytes, net [2]uint64
	bypassed, wrong := 0, 0
	byName := map[string]flowEvent{}
	for _, x := range events {
		switch x.Type {
		case "flow":
			byName[x.SrcIP] = x
			pkts[0], pkts[1] = pkts[0]+x.Flow.PktsTS, pkts[1]+x.Flow.PktsTC
			bytes[0], bytes[1] = bytes[0]+x.Flow.BytesTS, bytes[1]+x.Flow.BytesTC
			if x.Flow.Bypass == "capture" {
				bypassed++
			}
		case "netflow":
			net[0], net[1] = net[0]+x.Netflow.Pkts, net[1]+x.Netflow.Bytes
		}
	}
	var total sum
	for i := range want {
		for d := range 2 {
			total.pkts[d] += want[i].pkts[d]
			total.bytes[d] += want[i].bytes[d]
		}
		src := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}).String()
		if i%3 == 0 {
			src = fmt.Sprintf("fd00:0000:0000:0000:0000:0000:0000:%04x", i)
		}
		f := byName[src].Flow
		if got := (sum{[2]uint64{f.PktsTS, f.PktsTC}, [2]uint64{f.BytesTS, f.BytesTC}}); got != want[i] {
			if wrong++; wrong <= 5 {
				t.Errorf("flow %d of %s: %v, want %v (%+v)", i, src, got, want[i], f)
			}
		}
	}
	if pkts != total.pkts || bytes != total.bytes || wrong > 0 {
		t.Errorf("records say %v packets, %v bytes; sent were %v, %v; %d flows are wrong", pkts, bytes, total.pkts, total.bytes, wrong)
	}
	if net != [2]uint64{sent, total.bytes[0] + total.bytes[1]} {
		t.Errorf("netflow records say %v", net)
	}
	if uint64(bypassed) != expect {
		t.Errorf("%d flows were carried below to their end, want %d", bypassed, expect)
	}
	seen, dropped, below := count["decoder.pkts"], count["capture.kernel_drops"], count["flow_bypassed.pkts"]
	if seen+dropped+below != sent || dropped != 0 || flows <= 2*room && below < sent/2 {
		t.Errorf("sent %d, seen %d, dropped %d, bypassed %d", sent, seen, dropped, below)
	}
	if got := count["flow_bypassed.closed"]; got != expect {
		t.Errorf("flow_bypassed.closed is %d, want %d", got, expect)
	}
	if t.Failed() {
		t.Logf("%s\n%v", logged.String(), count["flow_bypassed.local_pkts"])
	}
}

// Inline, what is bypassed goes on to the other side of the wire, and what a rule drops does not; the records have both directions.
func TestBypassInlineLive(t *testing.T) {
	for _, c := range []struct {
		driver, mode, name, rule string
		drop                     bool
	}{
		{"af-packet", "xdp-mode: soft", "bypassed", bypassRule, false},
		{"af-packet", "xdp-mode: soft", "dropped", dropRule, true},
		{"af-xdp", "force-xdp-mode: skb", "bypassed", bypassRule, false},
		{"af-xdp", "force-xdp-mode: skb", "dropped", dropRule, true},
	} {
		t.Run(c.driver+" "+c.mode+" "+c.name, func(t *testing.T) { bypassInlineLive(t, c.driver, c.mode, c.rule, c.drop) })
	}
}

const dropRule = `drop udp any any -> any 9999 (msg:"no"; sid:1;)`

func bypassInlineLive(t *testing.T, driver, mode, rule string, drop bool) {
	const flows = 500
	n := live.New(t)
	n.Pair("in0", "out0")
	n.Pair("in1", "out1")
	var mu sync.Mutex
	var pkts, size [2]uint64
	captured := 0
	var logged strings.Builder
	e, err := New(Options{
		Config: []byte(fmt.Sprintf(`%%YAML 1.1
---
%s:
  - interface: in0
    threads: 1
    cluster-id: 91
    copy-mode: ips
    copy-iface: in1
    bypass: yes
    %s
  - interface: in1
    threads: 1
    cluster-id: 92
    copy-mode: ips
    copy-iface: in0
    bypass: yes
    %s
livedev:
  use-for-tracking: no
outputs:
  - eve-log:
      enabled: yes
      types: [flow]
`, driver, mode, mode)), NoLogs: true, IPS: true, RunMode: "autofp", Workers: 2, Rules: rule, Log: zerolog.New(zerolog.SyncWriter(&logged)),
		OnEvent: func(line []byte) {
			var x flowEvent
			if err := json.Unmarshal(line, &x); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			pkts[0], pkts[1] = pkts[0]+x.Flow.PktsTS, pkts[1]+x.Flow.PktsTC
			size[0], size[1] = size[0]+x.Flow.BytesTS, size[1]+x.Flow.BytesTC
			if x.Flow.Bypass == "capture" {
				captured++
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := e.Open(Selection{Driver: driver})
	if err != nil {
		t.Fatal(err)
	}
	if e.offload.below == nil {
		t.Fatalf("no XDP:\n%s", logged.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, sources...) }()
	client, server := n.Sender("out0"), n.Sender("out1")
	var sent, bytes [2]uint64
	burst := func(d, size int) {
		for i := range flows {
			f, s := datagram(i, d == 1, size), client
			if d == 1 {
				s = server
			}
			if err := s.Send(f); err != nil {
				t.Fatal(err)
			}
			sent[d]++
			bytes[d] += uint64(len(f))
			if i%5 == 0 && driver == "af-packet" {
				bytes[d] -= 4
			}
			if i%50 == 49 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	burst(0, 30)
	if drop {
		burst(0, 30) // the second packet shows that all further ones are to be dropped
	}
	carried := func() (n uint64) {
		for _, s := range e.BypassStats() {
			n += s.Held[0] + s.Held[1]
		}
		return n
	}
	for end := time.Now().Add(60 * time.Second); carried() < flows; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d flows are carried below\n%s", carried(), flows, logged.String())
		}
	}
	for i := range 4 {
		burst(1, 100+i)
		burst(0, 200)
	}
	received := func(name string) uint64 {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return l.Attrs().Statistics.RxPackets
	}
	want := [2]uint64{sent[0], sent[1]} // by direction
	if drop {
		want = [2]uint64{}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if got := [2]uint64{received("out1"), received("out0")}; got == want && !drop {
			break
		} else if time.Now().After(end) || drop {
			time.Sleep(100 * time.Millisecond)
			if got = [2]uint64{received("out1"), received("out0")}; got != want {
				t.Errorf("%v packets came through, want %v", got, want)
			}
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	count := e.Counters()
	for _, s := range sources {
		s.Close()
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if pkts != sent || size != bytes {
		t.Errorf("records say %v packets, %v bytes; sent were %v, %v", pkts, size, sent, bytes)
	}
	if drop && (captured != 0 || count["ips.blocked"] != sent[0]+sent[1]) || !drop && captured != flows {
		t.Errorf("%d flows were bypassed below, %d packets blocked of %v", captured, count["ips.blocked"], sent)
	}
	if t.Failed() {
		t.Log(logged.String())
	}
}
