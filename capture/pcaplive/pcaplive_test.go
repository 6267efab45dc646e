//go:build linux

package pcaplive_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/capture/pcaplive"
	"sentinel/internal/conf"
	"sentinel/qa/live"
)

type logged struct{ text strings.Builder }

func (l *logged) Infof(f string, a ...any) { fmt.Fprintf(&l.text, f+"\n", a...) }
func (l *logged) Warnf(f string, a ...any) { fmt.Fprintf(&l.text, "warning: "+f+"\n", a...) }

// target is an interface with the settings of an element, and those of the element default.
func target(t testing.TB, name, own, shared, root string) *capture.Target {
	t.Helper()
	var b strings.Builder
	b.WriteString("%YAML 1.1\n---\n" + root + "pcap:\n  - interface: " + name + "\n")
	for _, l := range strings.Split(own, "\n") {
		b.WriteString("    " + l + "\n")
	}
	b.WriteString("  - interface: default\n")
	for _, l := range strings.Split(shared, "\n") {
		b.WriteString("    " + l + "\n")
	}
	tree, _, err := conf.Parse([]byte(b.String()), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list := tree.Get("pcap").Children()
	return &capture.Target{Name: name, Root: tree.Root(), Own: list[0], Shared: list[1], Auto: 6, Log: new(logged)}
}

// The defaults are Suricata's: one thread, promiscuous, checksums by statistics.
func TestConfigure(t *testing.T) {
	type O = afpacket.Options
	base := func(f func(o *O)) O {
		o := O{Interface: "eth0", Threads: 1, Promisc: true, NoDefrag: true, Cooked: true, BlockSize: 256 << 10,
			Checksums: afpacket.ChecksumsAuto, Offloads: afpacket.OffloadsJoining | afpacket.OffloadsSums}
		if f != nil {
			f(&o)
		}
		return o
	}
	tests := []struct {
		name, own, shared, root string
		want                    O
	}{
		{"nothing", "", "", "", base(nil)},
		{"default section", "", "threads: 4\npromisc: no\nsnaplen: 1518\nchecksum-checks: no", "",
			base(func(o *O) {
				o.Threads, o.NoDefrag, o.Promisc, o.SnapLen, o.Checksums = 4, false, false, 1518, afpacket.ChecksumsNo
			})},
		{"buffer", "buffer-size: 16777216", "buffer-size: 1mb", "", base(func(o *O) { o.Blocks = 64 })},
		{"small buffer", "buffer-size: 32kb", "", "", base(func(o *O) { o.Blocks = 4 })},
		{"buffer of all", "buffer-size: 2mb", "", "", base(func(o *O) { o.Blocks = 4 })},
		{"whole frames", "snaplen: 262144", "", "", base(nil)},
		{"filter", "bpf-filter: \"tcp and port 25\"", "", "", base(func(o *O) { o.Filter = "tcp and port 25" })},
		{"checksums", "checksum-checks: yes", "", "", base(func(o *O) { o.Checksums = afpacket.ChecksumsYes })},
		{"offloads stay", "", "", "capture: {disable-offloading: no}\n", base(func(o *O) { o.Offloads = 0 })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := target(t, "eth0", tt.own, tt.shared, tt.root)
			if tt.name == "buffer of all" { // --set pcap.buffer-size=1mb
				tree, _, err := conf.Parse([]byte("%YAML 1.1\n---\npcap:\n  - interface: eth0\n  - buffer-size: 1mb\n"), "set")
				if err != nil {
					t.Fatal(err)
				}
				target.Root = tree.Root()
			}
			got, err := pcaplive.Configure(target)
			if err != nil {
				t.Fatal(err)
			}
			got.Log = nil
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
	for own, say := range map[string]string{
		"threads: x": `"x" is not an integer`, "promisc: perhaps": "is not yes or no", "snaplen: all": `"all" is not an integer`,
		"buffer-size: 3gb": "is more than", "checksum-checks: kernel": "use auto, yes or no", "bpf-filter: 'port'": "bpf-filter of eth0",
	} {
		if _, err := pcaplive.Configure(target(t, "eth0", own, "", "")); err == nil || !strings.Contains(err.Error(), say) ||
			!strings.Contains(err.Error(), "test.yaml:5") {
			t.Errorf("%s: %v, want %q", own, err, say)
		}
	}
}

func open(t *testing.T, name, own string) []capture.Source {
	t.Helper()
	all, err := pcaplive.Driver.Open(target(t, name, own, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range all {
			s.Close()
		}
	})
	return all
}

// find reads until a frame that ends with a text has come, and then on for a moment, and returns all those.
func find(t *testing.T, s capture.Source, text string, send func()) []capture.Frame {
	t.Helper()
	send()
	var got []capture.Frame
	batch := make([]capture.Frame, 64)
	quiet := 0
	for end := time.Now().Add(5 * time.Second); quiet < 10 && time.Now().Before(end); {
		k, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range batch[:k] {
			if bytes.HasSuffix(f.Data, []byte(text)) {
				f.Data = bytes.Clone(f.Data)
				got = append(got, f)
			}
		}
		s.Release(batch[:k])
		if k == 0 && len(got) > 0 {
			quiet++
		}
	}
	return got
}

// say sends a datagram.
func say(t *testing.T, to, text string) func() {
	return func() {
		t.Helper()
		c, err := net.Dial("udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEthernet(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	s := open(t, "b", "snaplen: 60\nbpf-filter: \"udp port 99\"")[0]
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 128, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
		0, 98, 0, 99, 0, 108, 0, 0}, bytes.Repeat([]byte("x"), 100)...)
	other := bytes.Clone(frame)
	other[37] = 97
	tx := n.Sender("a")
	got := find(t, s, "xx", func() {
		tx.Send(other)
		tx.Send(frame)
	})
	if len(got) != 1 || got[0].Link != capture.LinkEthernet || !bytes.Equal(got[0].Data, frame[:60]) || int(got[0].WireLen) != len(frame) {
		t.Errorf("%+v", got)
	}
}

// Loopback shows each packet once.
func TestLoopback(t *testing.T) {
	live.New(t)
	s := open(t, "lo", "bpf-filter: udp")[0]
	got := find(t, s, "hello loop", say(t, "127.0.0.1:9", "hello loop"))
	if len(got) != 1 || got[0].Link != capture.LinkEthernet || len(got[0].Data) != 14+20+8+10 {
		t.Errorf("%+v", got)
	}
}

// A tun interface has no Ethernet: its frames are IP packets, and filters look at these.
func TestTun(t *testing.T) {
	live.New(t)
	tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, Queues: 1}
	if err := netlink.LinkAdd(tun); err != nil {
		live.Skip(t, "the kernel makes no tun interface: %v", err)
	}
	defer tun.Fds[0].Close()
	addr, _ := netlink.ParseAddr("10.55.0.1/24")
	if err := netlink.AddrAdd(tun, addr); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(tun); err != nil {
		t.Fatal(err)
	}
	s := open(t, "tun0", "bpf-filter: \"udp port 9 and net 10.55.0.0/24\"")[0]
	got := find(t, s, "hello tun", func() {
		say(t, "10.55.0.2:10", "also hello tun")()
		say(t, "10.55.0.2:9", "hello tun")()
	})
	if len(got) != 1 || got[0].Link != capture.LinkRaw || len(got[0].Data) != 20+8+9 || got[0].Data[0] != 0x45 || got[0].Flags&capture.Outgoing == 0 {
		t.Errorf("out: %+v", got)
	}
	// And what comes in.
	in := append([]byte{0x45, 0, 0, 20 + 8 + 8, 0, 1, 0, 0, 64, 17, 0, 0, 10, 55, 0, 2, 10, 55, 0, 1, 0, 9, 0, 8, 0, 16, 0, 0}, "incoming"...)
	got = find(t, s, "incoming", func() {
		if _, err := tun.Fds[0].Write(in); err != nil {
			t.Fatal(err)
		}
	})
	if len(got) != 1 || !bytes.Equal(got[0].Data, in) || got[0].Flags&capture.Outgoing != 0 {
		t.Errorf("in: %+v", got)
	}
}

// Any stands for all interfaces: frames have a pseudo header that says what they are (LINKTYPE_LINUX_SLL).
func TestAny(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	s := open(t, afpacket.Any, "bpf-filter: udp")[0]
	ip := append([]byte{0x45, 0, 0, 20 + 8 + 9, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 98, 0, 99, 0, 17, 0, 0}, "cooked it"...)
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, ip...)
	tx := n.Sender("a")
	got := find(t, s, "cooked it", func() { tx.Send(frame) })
	// It leaves one interface and comes in at the other, where it is another host's.
	if len(got) != 2 {
		t.Fatalf("%d frames: %+v", len(got), got)
	}
	for i, f := range got {
		kind := byte(unix.PACKET_OUTGOING)
		if i == 1 {
			kind = unix.PACKET_OTHERHOST
		}
		want := append([]byte{0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 8, 0}, ip...)
		if f.Link != capture.LinkSLL || int(f.WireLen) != len(want) {
			t.Errorf("%+v", f)
		}
		// The kernel leaves two bytes behind the address undefined.
		f.Data[12], f.Data[13] = 0, 0
		if !bytes.Equal(f.Data, want) {
			t.Errorf("frame %d:\n%x\n%x", i, f.Data, want)
		}
	}
}

// With several threads each packet is seen once.
func TestThreads(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	all := open(t, "b", "threads: 3")
	if len(all) != 3 {
		t.Fatalf("%d sources", len(all))
	}
	tx := n.Sender("a")
	const packets = 90
	for i := range packets {
		tx.Send(append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, byte(i), 192, 0, 2, 2,
			0, 98, 0, 99, 0, 40, 0, 0}, make([]byte, 32)...))
	}
	total := 0
	batch := make([]capture.Frame, 64)
	for end := time.Now().Add(5 * time.Second); total < packets && time.Now().Before(end); {
		for _, s := range all {
			k, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			s.Release(batch[:k])
			total += k
		}
	}
	if total != packets {
		t.Errorf("%d packets of %d", total, packets)
	}
}
