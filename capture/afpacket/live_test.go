//go:build linux

package afpacket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/qa/live"
)

// udp returns a frame of flow n, in one of its directions, with a tag if vlan is not 0.
func udp(t testing.TB, n int, back bool, vlan uint16, payload string) []byte {
	t.Helper()
	src, dst := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), netip.AddrFrom4([4]byte{10, 1, 0, 1})
	sport, dport := layers.UDPPort(1024+n%50000), layers.UDPPort(5353)
	if back {
		src, dst, sport, dport = dst, src, dport, sport
	}
	payload += strings.Repeat(".", 20) // no padding to the shortest Ethernet frame, please
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	u := &layers.UDP{SrcPort: sport, DstPort: dport}
	u.SetNetworkLayerForChecksum(ip)
	all := []gopacket.SerializableLayer{eth}
	if vlan != 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
		all = append(all, &layers.Dot1Q{Priority: uint8(vlan >> 13), VLANIdentifier: vlan & 0xfff, Type: layers.EthernetTypeIPv4})
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, append(all, ip, u, gopacket.Payload(payload))...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func open(t testing.TB, o afpacket.Options) []capture.Source {
	t.Helper()
	all, err := afpacket.Open(o)
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

// collect reads until want frames are there, and then once more to see that there are no others. The data is copied.
func collect(t testing.TB, s capture.Source, want int) []capture.Frame {
	t.Helper()
	var got []capture.Frame
	batch := make([]capture.Frame, 64)
	last := false
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		start := time.Now()
		n, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 2*time.Second { // 10 ms and a busy machine
			t.Errorf("a read took %v", d)
		}
		for _, f := range batch[:n] {
			if cap(f.Data) != len(f.Data) {
				t.Fatal("data is not capped")
			}
			f.Data = bytes.Clone(f.Data)
			got = append(got, f)
		}
		if err := s.Release(batch[:n]); err != nil {
			t.Fatal(err)
		}
		if n == 0 && last {
			break
		}
		last = n == 0 && len(got) >= want
	}
	return got
}

func TestThousandPackets(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b", Index: 3, Promisc: true}))[0]
			tx := n.Sender("a")
			const packets = 1000
			before := time.Now()
			for i := range packets {
				if err := tx.Send(udp(t, i, false, 0, strings.Repeat("x", i))); err != nil {
					t.Fatal(err)
				}
			}
			got := collect(t, s, packets)
			if len(got) != packets {
				t.Fatalf("got %d of %d frames, %+v", len(got), packets, s.Stats())
			}
			size := uint64(0)
			for i, f := range got {
				if !bytes.Equal(f.Data, udp(t, i, false, 0, strings.Repeat("x", i))) {
					t.Fatalf("frame %d has other bytes: %x", i, f.Data)
				}
				if f.Link != capture.LinkEthernet || f.Iface != 3 || f.Queue != 0 || f.VLAN[0] != 0 || int(f.WireLen) != len(f.Data) ||
					f.Flags&(capture.Outgoing|capture.Truncated|capture.Writable) != 0 {
					t.Fatalf("frame %d: %+v", i, f)
				}
				if at := time.Unix(0, f.Time); at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
					t.Fatalf("frame %d at %v", i, at)
				}
				size += uint64(len(f.Data))
			}
			if st := s.Stats(); st != (capture.Stats{Received: packets, Bytes: size}) {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestVLANAndOutgoing(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b"}))[0]
			const tci = 5<<13 | 42
			if err := n.Sender("a").Send(udp(t, 1, false, tci, "tagged")); err != nil {
				t.Fatal(err)
			}
			if err := s.(capture.Injector).Inject(udp(t, 2, false, 0, "sent")); err != nil {
				t.Fatal(err)
			}
			got := collect(t, s, 2)
			if len(got) != 2 {
				t.Fatalf("got %d frames", len(got))
			}
			if got[0].VLAN != [2]uint16{tci} || !bytes.Equal(got[0].Data, udp(t, 1, false, 0, "tagged")) || got[0].Flags&capture.Outgoing != 0 {
				t.Errorf("tagged: %+v", got[0])
			}
			if got[1].VLAN[0] != 0 || got[1].Flags&capture.Outgoing == 0 {
				t.Errorf("sent: %+v", got[1])
			}
		})
	}
}

// Both directions of a flow come to the same source, and all sources together get each packet once.
func TestFanout(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			all := open(t, with(o, afpacket.Options{Interface: "b", Threads: 3}))
			tx := n.Sender("a")
			const flows = 300
			for i := range flows {
				for _, back := range []bool{false, true} {
					if err := tx.Send(udp(t, i, back, 0, "x")); err != nil {
						t.Fatal(err)
					}
				}
			}
			where := map[uint16]int{}
			total := 0
			for q, s := range all {
				got := collect(t, s, 1)
				if len(got) == 0 {
					t.Errorf("source %d has nothing", q)
				}
				for _, f := range got {
					total++
					if int(f.Queue) != q {
						t.Fatalf("source %d lends a frame of queue %d", q, f.Queue)
					}
					port := binary.BigEndian.Uint16(f.Data[34:]) ^ binary.BigEndian.Uint16(f.Data[36:]) // one of them is always the same
					if at, seen := where[port]; seen && at != q {
						t.Fatalf("a flow is at sources %d and %d", at, q)
					}
					where[port] = q
				}
			}
			if total != 2*flows {
				t.Errorf("%d frames of %d", total, 2*flows)
			}
		})
	}
}

// A ring that nobody empties loses packets, and says how many.
func TestDropsAreCounted(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	s := open(t, afpacket.Options{Interface: "b", BlockSize: 4096, Blocks: 4})[0]
	tx := n.Sender("a")
	const packets = 500
	for i := range packets {
		if err := tx.Send(udp(t, i, false, 0, strings.Repeat("x", 500))); err != nil {
			t.Fatal(err)
		}
	}
	got := collect(t, s, 1)
	st := s.Stats()
	if len(got) == 0 || len(got) == packets || uint64(len(got))+st.Dropped != packets {
		t.Errorf("%d frames, %+v", len(got), st)
	}
}

// Frames keep their bytes while they are lent, and the ring goes on when they come back.
func TestLentFramesStay(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	s := open(t, afpacket.Options{Interface: "b", BlockSize: 4096, Blocks: 4})[0]
	tx := n.Sender("a")
	for round := range 10 {
		for i := range 4 {
			if err := tx.Send(udp(t, i, false, 0, strings.Repeat(string(rune('a'+round)), 1000))); err != nil {
				t.Fatal(err)
			}
		}
		var held []capture.Frame
		for end := time.Now().Add(2 * time.Second); len(held) < 4 && time.Now().Before(end); {
			batch := make([]capture.Frame, 3)
			k, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, batch[:k]...)
		}
		if len(held) != 4 {
			t.Fatalf("round %d: %d frames", round, len(held))
		}
		for i := range 40 { // more than the ring has room for
			tx.Send(udp(t, i, false, 0, strings.Repeat("z", 1000)))
		}
		for i, f := range held {
			if !bytes.Equal(f.Data, udp(t, i, false, 0, strings.Repeat(string(rune('a'+round)), 1000))) {
				t.Fatalf("round %d: frame %d was overwritten", round, i)
			}
		}
		s.Release(held)
		collect(t, s, 1)
	}
}

func TestSnapLenAndFilter(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b", SnapLen: 50}))[0]
			frame := udp(t, 1, false, 0, strings.Repeat("x", 100))
			if err := n.Sender("a").Send(frame); err != nil {
				t.Fatal(err)
			}
			got := collect(t, s, 1)
			if len(got) != 1 || !bytes.Equal(got[0].Data, frame[:50]) || int(got[0].WireLen) != len(frame) || got[0].Flags&capture.Truncated == 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A capture survives that its interface goes down and up, and that it goes away and another one comes.
func TestInterfaceComesBack(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b", Promisc: true, Threads: 2}))
			sees := func(what string) {
				t.Helper()
				tx := n.Sender("a")
				batch := make([]capture.Frame, 8)
				for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
					tx.Send(udp(t, 1, false, 0, what))
					for _, s := range s {
						k, err := s.Read(context.Background(), batch)
						if err != nil {
							t.Fatalf("%s: %v", what, err)
						}
						found := false
						for _, f := range batch[:k] {
							found = found || bytes.Contains(f.Data, []byte(what))
						}
						s.Release(batch[:k])
						if found {
							return
						}
					}
				}
				t.Fatalf("nothing seen: %s", what)
			}
			sees("at the start")
			n.Down("b")
			for range 20 {
				for _, s := range s {
					if _, err := s.Read(context.Background(), make([]capture.Frame, 8)); err != nil {
						t.Fatal(err)
					}
				}
			}
			n.Up("b")
			sees("up again")
			if s[0].Stats().Errors+s[1].Stats().Errors == 0 {
				t.Error("the time down is not counted")
			}
			n.Delete("a")
			for range 5 {
				for _, s := range s {
					if _, err := s.Read(context.Background(), make([]capture.Frame, 8)); err != nil {
						t.Fatal(err)
					}
				}
			}
			n.Pair("a", "b")
			sees("a new interface")
		})
	}
}

// Inline, what is not dropped comes out on the other side, with its tag.
func TestInline(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			n.Pair("c", "d")
			in := open(t, with(o, afpacket.Options{Interface: "b", CopyTo: "c"}))[0]
			out := open(t, with(o, afpacket.Options{Interface: "d"}))[0]
			tx := n.Sender("a")
			for i, vlan := range []uint16{0, 0, 7, 0} {
				if err := tx.Send(udp(t, i, false, vlan, "inline")); err != nil {
					t.Fatal(err)
				}
			}
			batch := make([]capture.Frame, 8)
			seen := 0
			for end := time.Now().Add(2 * time.Second); seen < 4 && time.Now().Before(end); {
				k, err := in.Read(context.Background(), batch)
				if err != nil {
					t.Fatal(err)
				}
				for i := range batch[:k] {
					f := &batch[i]
					if f.Flags&capture.Writable == 0 {
						t.Fatal("not writable")
					}
					switch seen {
					case 1:
						f.Verdict = capture.Drop
					case 3:
						f.Verdict = capture.Modified
						f.Data[len(f.Data)-1] = '!'
					}
					seen++
				}
				in.Release(batch[:k])
			}
			got := collect(t, out, 3)
			if len(got) != 3 {
				t.Fatalf("%d frames came out, %+v", len(got), in.Stats())
			}
			if !bytes.Equal(got[0].Data, udp(t, 0, false, 0, "inline")) {
				t.Error("the first frame is not the same")
			}
			if got[1].VLAN[0] != 7 || !bytes.Equal(got[1].Data, udp(t, 2, false, 0, "inline")) {
				t.Errorf("the tagged frame is not the same: %+v", got[1])
			}
			if !bytes.HasSuffix(got[2].Data, []byte(".!")) {
				t.Error("the change is lost")
			}
		})
	}
}

// TCP between two hosts whose kernels leave checksums and segmentation to their cards passes an inline bridge.
func TestInlineTCPWithOffloads(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			n.Pair("c", "d")
			left, right := n.Host("a", "10.9.0.1/24"), n.Host("d", "10.9.0.2/24")
			there := open(t, with(o, afpacket.Options{Interface: "b", CopyTo: "c", Threads: 2}))
			back := open(t, with(o, afpacket.Options{Interface: "c", CopyTo: "b"}))
			ctx, stop := context.WithCancel(context.Background())
			var bridge sync.WaitGroup
			for _, s := range append(there, back...) {
				bridge.Add(1)
				go func() {
					defer bridge.Done()
					batch := make([]capture.Frame, 64)
					for ctx.Err() == nil {
						k, _ := s.Read(ctx, batch)
						s.Release(batch[:k])
					}
				}()
			}
			defer bridge.Wait()
			defer stop()

			const size = 4 << 20
			got := make(chan int64, 1)
			var l net.Listener
			var err error
			right.Do(func() { l, err = net.Listen("tcp", "10.9.0.2:7") })
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					got <- -1
					return
				}
				defer c.Close()
				k, _ := io.Copy(io.Discard, c)
				got <- k
			}()
			var c net.Conn
			left.Do(func() { c, err = net.DialTimeout("tcp", "10.9.0.2:7", 5*time.Second) })
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Error(err)
			}
			c.Close()
			select {
			case k := <-got:
				if k != size {
					t.Errorf("%d of %d bytes arrived", k, size)
				}
			case <-time.After(10 * time.Second):
				t.Error("nothing arrived")
			}
			var longest uint64
			for _, s := range there {
				if st := s.Stats(); st.Received > 0 {
					longest = max(longest, st.Bytes/st.Received)
				}
			}
			if longest < 1600 {
				t.Logf("frames of %d bytes on average: the segments were not as large as the test wants them", longest)
			}
		})
	}
}

// On the loopback interface each packet is seen once, with a checksum that need not be checked.
func TestLoopback(t *testing.T) {
	live.New(t)
	s := open(t, afpacket.Options{Interface: "lo"})[0]
	c, err := net.Dial("udp", "127.0.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	hello := 0
	for _, f := range collect(t, s, 1) {
		if bytes.HasSuffix(f.Data, []byte("hello")) && len(f.Data) == 14+20+8+5 {
			hello++
			if f.Flags&capture.ChecksumOK == 0 || f.Flags&capture.Outgoing != 0 || f.Link != capture.LinkEthernet {
				t.Errorf("%+v", f)
			}
		}
	}
	if hello != 1 {
		t.Errorf("seen %d times", hello)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b", BlockTimeout: time.Millisecond}))[0]
			tx := n.Sender("a")
			frame := udp(t, 1, false, 0, "x")
			batch := make([]capture.Frame, 8)
			ctx := context.Background()
			frames := 0
			allocs := testing.AllocsPerRun(100, func() {
				if err := tx.Send(frame); err != nil {
					t.Fatal(err)
				}
				k, err := s.Read(ctx, batch)
				if err != nil {
					t.Fatal(err)
				}
				frames += k
				s.Release(batch[:k])
			})
			if frames < 50 {
				t.Errorf("only %d frames were read", frames)
			}
			if allocs != 0 {
				t.Errorf("%v allocations a batch", allocs)
			}
		})
	}
}

func TestCloseAndCancel(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b"}))[0]
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.Read(ctx, make([]capture.Frame, 1)); err != context.Canceled {
				t.Errorf("cancelled: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := s.Read(context.Background(), make([]capture.Frame, 1)); err == nil {
				t.Error("a closed source can be read")
			}
			s.Stats()
		})
	}
}
