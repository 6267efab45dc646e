//go:build linux

package xdp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"sentinel/qa/live"
)

// The actions of XDP (enum xdp_action in linux/bpf.h).
const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpRedirect = 4
)

// built loads the program without an interface.
func built(t *testing.T, o Options) *objectObjects {
	t.Helper()
	_ = rlimit.RemoveMemlock()
	objs, _, err := build(o, true, nil)
	if errors.Is(err, unix.EPERM) {
		live.Skip(t, "needs the right to load BPF programs: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { objs.Close() })
	return &objs
}

func run(t *testing.T, o *objectObjects, frame []byte) uint32 {
	t.Helper()
	got, err := o.Sentinel.Run(&ebpf.RunOptions{Data: frame})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// tagged puts VLAN tags, outer first, between the addresses and the type of a frame.
func tagged(frame []byte, tags ...uint32) []byte {
	out := append([]byte(nil), frame[:12]...)
	for _, tag := range tags {
		out = binary.BigEndian.AppendUint32(out, tag)
	}
	return append(out, frame[12:]...)
}

func ethernet(kind uint16, packet []byte) []byte {
	f := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	return append(binary.BigEndian.AppendUint16(f, kind), packet...)
}

// datagram4 is an IPv4 packet (RFC 791) with options of the length opt and the given fragment field.
func datagram4(src, dst string, proto byte, opt int, fragment uint16, payload []byte) []byte {
	p := make([]byte, 20+opt)
	p[0] = 4<<4 | byte(len(p)/4)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)+len(payload)))
	binary.BigEndian.PutUint16(p[6:], fragment)
	p[8], p[9] = 64, proto
	copy(p[12:], netip.MustParseAddr(src).AsSlice())
	copy(p[16:], netip.MustParseAddr(dst).AsSlice())
	for i := 20; i < len(p); i++ {
		p[i] = 1 // no operation
	}
	return append(p, payload...)
}

// datagram6 is an IPv6 packet (RFC 8200).
func datagram6(src, dst string, next byte, payload []byte) []byte {
	p := make([]byte, 40)
	p[0] = 6 << 4
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	p[6], p[7] = next, 64
	copy(p[8:], netip.MustParseAddr(src).AsSlice())
	copy(p[24:], netip.MustParseAddr(dst).AsSlice())
	return append(p, payload...)
}

// ports is the head of a TCP, UDP or SCTP header with bytes behind it.
func ports(source, target uint16, more int) []byte {
	b := binary.BigEndian.AppendUint16(nil, source)
	return append(binary.BigEndian.AppendUint16(b, target), make([]byte, more)...)
}

func key4(src, dst string, sp, dp uint16, proto byte, vlan ...uint16) Flow4Key {
	k := Flow4Key{Source: netip.MustParseAddr(src).As4(), Target: netip.MustParseAddr(dst).As4(), Proto: proto}
	binary.BigEndian.PutUint16(k.SourcePort[:], sp)
	binary.BigEndian.PutUint16(k.TargetPort[:], dp)
	copy(k.Vlan[:], vlan)
	return k
}

func key6(src, dst string, sp, dp uint16, proto byte, vlan ...uint16) Flow6Key {
	k := Flow6Key{Source: netip.MustParseAddr(src).As16(), Target: netip.MustParseAddr(dst).As16(), Proto: proto}
	binary.BigEndian.PutUint16(k.SourcePort[:], sp)
	binary.BigEndian.PutUint16(k.TargetPort[:], dp)
	copy(k.Vlan[:], vlan)
	return k
}

func put(t *testing.T, m *ebpf.Map, k, v any) {
	t.Helper()
	if err := m.Put(k, v); err != nil {
		t.Fatal(err)
	}
}

func TestFlows(t *testing.T) {
	const a, b, a6, b6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
	o := built(t, Options{Flows: 64})
	put(t, o.Flows4, key4(a, b, 1000, 80, 6), FlowValue{Slot: 0, Action: Drop})
	put(t, o.Flows4, key4(a, b, 1000, 80, 17), FlowValue{Slot: 1, Action: Pass})
	put(t, o.Flows4, key4(a, b, 1000, 80, 132), FlowValue{Slot: 2, Action: Redirect})
	put(t, o.Flows4, key4(a, b, 1000, 80, 6, 100), FlowValue{Slot: 3, Action: Drop})
	put(t, o.Flows4, key4(a, b, 1000, 80, 6, 100, 200), FlowValue{Slot: 4, Action: Drop})
	put(t, o.Flows6, key6(a6, b6, 1000, 80, 6), FlowValue{Slot: 5, Action: Drop})
	put(t, o.Flows6, key6(a6, b6, 1000, 443, 17, 7), FlowValue{Slot: 6, Action: Drop})
	put(t, o.Flows4, key4(a, b, 1000, 81, 6), FlowValue{Slot: 1 << 20, Action: Drop}) // a slot that does not exist
	put(t, o.Peer, uint32(0), uint32(1))                                              // loopback
	memory, err := o.Slots.Memory()
	if err != nil {
		t.Fatal(err)
	}
	slots := &Slots{memory: memory, total: o.Slots.MaxEntries()}

	tcp := ethernet(0x0800, datagram4(a, b, 6, 0, 0, ports(1000, 80, 16)))
	tcp6 := ethernet(0x86dd, datagram6(a6, b6, 6, ports(1000, 80, 16)))
	for _, c := range []struct {
		name  string
		frame []byte
		want  uint32
		slot  int // that counts it, -1 = none
	}{
		{"tcp", tcp, xdpDrop, 0},
		{"tcp with options", ethernet(0x0800, datagram4(a, b, 6, 40, 0, ports(1000, 80, 16))), xdpDrop, 0},
		{"do not fragment", ethernet(0x0800, datagram4(a, b, 6, 0, 0x4000, ports(1000, 80, 16))), xdpDrop, 0},
		{"ports only", ethernet(0x0800, datagram4(a, b, 6, 0, 0, ports(1000, 80, 0))), xdpDrop, 0},
		{"udp passes", ethernet(0x0800, datagram4(a, b, 17, 0, 0, ports(1000, 80, 4))), xdpPass, 1},
		{"sctp is redirected", ethernet(0x0800, datagram4(a, b, 132, 0, 0, ports(1000, 80, 8))), xdpRedirect, 2},
		{"vlan", tagged(tcp, 0x8100<<16|100), xdpDrop, 3},
		{"vlan with priority", tagged(tcp, 0x8100<<16|0xe000|100), xdpDrop, 3},
		{"qinq", tagged(tcp, 0x88a8<<16|100, 0x8100<<16|200), xdpDrop, 4},
		{"v6", tcp6, xdpDrop, 5},
		{"v6 vlan udp", tagged(ethernet(0x86dd, datagram6(a6, b6, 17, ports(1000, 443, 4))), 0x8100<<16|7), xdpDrop, 6},

		{"other vlan", tagged(tcp, 0x8100<<16|101), xdpPass, -1},
		{"tags in the other order", tagged(tcp, 0x88a8<<16|200, 0x8100<<16|100), xdpPass, -1},
		{"three tags", tagged(tcp, 0x8100<<16|100, 0x8100<<16|200, 0x8100<<16|300), xdpPass, -1},
		{"other direction", ethernet(0x0800, datagram4(b, a, 6, 0, 0, ports(80, 1000, 16))), xdpPass, -1},
		{"other port", ethernet(0x0800, datagram4(a, b, 6, 0, 0, ports(1001, 80, 16))), xdpPass, -1},
		{"first fragment", ethernet(0x0800, datagram4(a, b, 6, 0, 0x2000, ports(1000, 80, 16))), xdpPass, -1},
		{"last fragment", ethernet(0x0800, datagram4(a, b, 6, 0, 10, ports(1000, 80, 16))), xdpPass, -1},
		{"v6 fragment", ethernet(0x86dd, datagram6(a6, b6, 44, append([]byte{6, 0, 0, 1, 0, 0, 0, 1}, ports(1000, 80, 16)...))), xdpPass, -1},
		{"icmp", ethernet(0x0800, datagram4(a, b, 1, 0, 0, ports(1000, 80, 16))), xdpPass, -1},
		{"no slot", ethernet(0x0800, datagram4(a, b, 6, 0, 0, ports(1000, 81, 16))), xdpPass, -1},
		{"header too short", func() []byte { f := append([]byte(nil), tcp...); f[14] = 0x44; return f }(), xdpPass, -1},
		{"header longer than the frame", func() []byte { f := append([]byte(nil), tcp...); f[14] = 0x4f; return f }(), xdpPass, -1},
		{"wrong version", func() []byte { f := append([]byte(nil), tcp...); f[14] = 0x65; return f }(), xdpPass, -1},
		{"cut in the ports", tcp[:14+20+3], xdpPass, -1},
		{"cut in the header", tcp[:14+19], xdpPass, -1},
		{"cut in the tag", tagged(tcp, 0x8100<<16|100)[:17], xdpPass, -1},
		{"cut in the second tag", tagged(tcp, 0x88a8<<16|100, 0x8100<<16|200)[:21], xdpPass, -1},
		{"v6 cut in the ports", tcp6[:14+40+3], xdpPass, -1},
		{"v6 cut in the header", tcp6[:14+39], xdpPass, -1},
		{"ethernet only", tcp[:14], xdpPass, -1},
		{"arp", ethernet(0x0806, make([]byte, 28)), xdpPass, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before [8]SlotValue
			for i := range before {
				before[i] = slots.Read(uint32(i))
			}
			if got := run(t, o, c.frame); got != c.want {
				t.Errorf("action %d, want %d", got, c.want)
			}
			for i := range before {
				want := before[i]
				got := slots.Read(uint32(i))
				if i == c.slot {
					want.Packets++
					want.Bytes += uint64(len(c.frame))
					if got.Seen <= want.Seen {
						t.Errorf("slot %d was not seen", i)
					}
				}
				if got.Packets != want.Packets || got.Bytes != want.Bytes {
					t.Errorf("slot %d counts %d packets and %d bytes, want %d and %d", i, got.Packets, got.Bytes, want.Packets, want.Bytes)
				}
			}
		})
	}
}

func TestFlowInSeveralBuffers(t *testing.T) {
	o := built(t, Options{Flows: 4})
	put(t, o.Flows4, key4("10.0.0.1", "10.0.0.2", 1000, 80, 17), FlowValue{})
	frame := ethernet(0x0800, datagram4("10.0.0.1", "10.0.0.2", 17, 0, 0, ports(1000, 80, 8960)))
	if got := run(t, o, frame); got != xdpDrop {
		t.Fatalf("action %d", got)
	}
	var v SlotValue
	if err := o.Slots.Lookup(uint32(0), &v); err != nil || v.Packets != 1 || v.Bytes != uint64(len(frame)) {
		t.Errorf("%+v %v, want one packet of %d bytes", v, err, len(frame))
	}
}

func TestVLANIsIgnored(t *testing.T) {
	o := built(t, Options{Flows: 4, IgnoreVLAN: true})
	put(t, o.Flows4, key4("10.0.0.1", "10.0.0.2", 1000, 80, 17), FlowValue{})
	frame := ethernet(0x0800, datagram4("10.0.0.1", "10.0.0.2", 17, 0, 0, ports(1000, 80, 8)))
	if got := run(t, o, tagged(frame, 0x88a8<<16|100, 0x8100<<16|200)); got != xdpDrop {
		t.Errorf("action %d", got)
	}
}

func TestEarlyDrop(t *testing.T) {
	o := built(t, Options{Hosts: 1024, Networks: 16})
	addr := netip.MustParseAddr
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	past, future := uint64(now.Nano()-1), uint64(now.Nano()+int64(time.Hour))
	put(t, o.Networks4, Network4Key{Prefix: 24, Address: addr("192.0.2.0").As4()}, uint32(1))
	put(t, o.Networks4, Network4Key{Prefix: 32, Address: addr("192.0.2.9").As4()}, uint32(2))
	put(t, o.Networks6, Network6Key{Prefix: 48, Address: addr("2001:db8:bad::").As16()}, uint32(3))
	put(t, o.Hosts4, Host4Key{Address: addr("198.51.100.1").As4()}, HostValue{Counter: 4})
	put(t, o.Hosts4, Host4Key{Address: addr("198.51.100.2").As4()}, HostValue{Until: past, Counter: 4})
	put(t, o.Hosts4, Host4Key{Address: addr("198.51.100.3").As4()}, HostValue{Until: future, Counter: 4})
	put(t, o.Hosts6, Host6Key{Address: addr("2001:db8::bad").As16()}, HostValue{Counter: 5})
	const me, me6 = "10.0.0.1", "2001:db8::1"
	count := func(i uint32) (sum CounterValue) {
		var each []CounterValue
		if err := o.Counters.Lookup(i, &each); err != nil {
			t.Fatal(err)
		}
		for _, c := range each {
			sum.Packets += c.Packets
			sum.Bytes += c.Bytes
		}
		return sum
	}
	for _, c := range []struct {
		name     string
		src, dst string
		counter  uint32 // 0 = passes
	}{
		{"from a network", "192.0.2.200", me, 1},
		{"to a network", me, "192.0.2.200", 1},
		{"the longest prefix counts", "192.0.2.9", me, 2},
		{"beside the network", "192.0.3.1", me, 0},
		{"v6 from a network", "2001:db8:bad:1::1", me6, 3},
		{"v6 to a network", me6, "2001:db8:bad:1::1", 3},
		{"from a host", "198.51.100.1", me, 4},
		{"to a host", me, "198.51.100.1", 4},
		{"host whose time is over", "198.51.100.2", me, 0},
		{"host for an hour", "198.51.100.3", me, 4},
		{"v6 from a host", "2001:db8::bad", me6, 5},
		{"v6 to a host", me6, "2001:db8::bad", 5},
		{"v6 of nobody", me6, "2001:db8::2", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Fragments and packets without ports are dropped like all others.
			frame := ethernet(0x0800, nil)
			if strings.Contains(c.src, ":") {
				frame = ethernet(0x86dd, datagram6(c.src, c.dst, 58, make([]byte, 8)))
			} else {
				frame = append(frame, datagram4(c.src, c.dst, 1, 0, 0x2000, make([]byte, 8))...)
			}
			before, want := count(c.counter), uint32(xdpPass)
			if c.counter > 0 {
				want = xdpDrop
				before.Packets++
				before.Bytes += uint64(len(frame))
			}
			if got := run(t, o, tagged(frame)); got != want {
				t.Errorf("action %d, want %d", got, want)
			}
			if got := count(c.counter); got != before {
				t.Errorf("counter is %+v, want %+v", got, before)
			}
		})
	}
}

// What is switched off does nothing, whatever is in its map.
func TestSwitchedOff(t *testing.T) {
	frame := ethernet(0x0800, datagram4("10.0.0.1", "10.0.0.2", 6, 0, 0, ports(1000, 80, 16)))
	fill := func(o *objectObjects) {
		put(t, o.Flows4, key4("10.0.0.1", "10.0.0.2", 1000, 80, 6), FlowValue{})
		put(t, o.Hosts4, Host4Key{Address: [4]byte{10, 0, 0, 1}}, HostValue{})
		put(t, o.Networks4, Network4Key{Prefix: 8, Address: [4]byte{10}}, uint32(0))
	}
	for _, c := range []struct {
		name string
		o    Options
		want uint32
	}{
		{"all", Options{}, xdpPass},
		{"only sockets", Options{Sockets: 4}, xdpPass}, // none is bound
		{"only flows", Options{Flows: 1}, xdpDrop},
		{"only hosts", Options{Hosts: 1}, xdpDrop},
		{"only networks", Options{Networks: 1}, xdpDrop},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := built(t, c.o)
			fill(o)
			if got := run(t, o, frame); got != c.want {
				t.Errorf("action %d, want %d", got, c.want)
			}
		})
	}
}

func TestOlderKernel(t *testing.T) {
	_ = rlimit.RemoveMemlock()
	objs, frags, err := build(Options{Flows: 4, Hosts: 4, Networks: 4, Sockets: 4}, false, nil)
	if errors.Is(err, unix.EPERM) {
		live.Skip(t, "needs the right to load BPF programs: %v", err)
	}
	if err != nil || frags {
		t.Fatal(frags, err)
	}
	defer objs.Close()
	frame := ethernet(0x0800, datagram4("10.0.0.1", "10.0.0.2", 6, 0, 0, ports(1000, 80, 16)))
	if got := run(t, &objs, frame); got != xdpPass {
		t.Errorf("action %d", got)
	}
}

func TestSlots(t *testing.T) {
	o := built(t, Options{Flows: 1})
	memory, err := o.Slots.Memory()
	if err != nil {
		t.Fatal(err)
	}
	s := &Slots{memory: memory, total: o.Slots.MaxEntries()}
	a, ok1 := s.Take()
	b, ok2 := s.Take()
	if _, ok := s.Take(); !ok1 || !ok2 || ok || a == b {
		t.Fatal("two flows have two slots")
	}
	put(t, o.Slots, b, SlotValue{Packets: 3, Bytes: 4, Seen: 5})
	if got := s.Read(b); got.Packets != 3 || got.Bytes != 4 || got.Seen != 5 {
		t.Errorf("read %+v", got)
	}
	s.Give(b)
	if got := s.Read(b); got.Packets != 0 || got.Bytes != 0 || got.Seen != 0 {
		t.Errorf("a slot that was given back has %+v", got)
	}
	if c, ok := s.Take(); !ok || c != b {
		t.Error("a slot that was given back is not handed out again")
	}
	if got := s.Read(99); got.Packets != 0 {
		t.Error("a slot that does not exist has counts")
	}
}
