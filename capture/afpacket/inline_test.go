//go:build linux

package afpacket_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/qa/live"
)

// bridge reads a source until want frames have come, with a verdict for each, and gives them back.
func bridge(t *testing.T, s capture.Source, want int, verdict func(i int, f *capture.Frame)) {
	t.Helper()
	batch := make([]capture.Frame, 256)
	seen := 0
	for end := time.Now().Add(5 * time.Second); seen < want && time.Now().Before(end); {
		k, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch[:k] {
			if verdict != nil {
				verdict(seen+i, &batch[i])
			}
		}
		seen += k
		s.Release(batch[:k])
	}
	if seen != want {
		t.Fatalf("%d frames of %d, %+v", seen, want, s.Stats())
	}
}

// A tap forwards all, whatever the verdict is.
func TestTap(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	n.Pair("c", "d")
	in := open(t, afpacket.Options{Interface: "b", CopyTo: "c", Tap: true})[0]
	out := open(t, afpacket.Options{Interface: "d"})[0]
	if err := n.Sender("a").Send(udp(t, 1, false, 0, "tap")); err != nil {
		t.Fatal(err)
	}
	bridge(t, in, 1, func(_ int, f *capture.Frame) {
		f.Verdict = capture.Drop
		if f.Flags&capture.Writable != 0 {
			t.Error("writable")
		}
	})
	if got := collect(t, out, 1); len(got) != 1 {
		t.Errorf("%d frames came out", len(got))
	}
}

// Two tags, and a tag with VLAN 0, come out as they went in.
func TestInlineTags(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			n.Pair("c", "d")
			in := open(t, with(o, afpacket.Options{Interface: "b", CopyTo: "c"}))[0]
			out := open(t, afpacket.Options{Interface: "d"})[0]
			inner := udp(t, 1, false, 9, "two tags")
			double := append(append(bytes.Clone(inner[:12]), 0x88, 0xa8, 0, 7), inner[12:]...)
			priority := udp(t, 1, false, 9, "priority")
			priority[14], priority[15] = 0, 0
			tx := n.Sender("a")
			for _, f := range [][]byte{double, priority} {
				if err := tx.Send(f); err != nil {
					t.Fatal(err)
				}
			}
			bridge(t, in, 2, nil)
			got := collect(t, out, 2)
			if len(got) != 2 {
				t.Fatalf("%d frames came out", len(got))
			}
			// The kernel has taken the outer tag out again.
			if got[0].VLAN[0] != 7 || !bytes.Equal(got[0].Data, inner) {
				t.Errorf("two tags: VLAN %d, %x", got[0].VLAN[0], got[0].Data)
			}
			if !bytes.Equal(got[1].Data, udp(t, 1, false, 0, "priority")) {
				t.Errorf("VLAN 0: %x", got[1].Data)
			}
		})
	}
}

// A burst comes out whole and in its order, but for what is dropped; what cannot be sent is counted.
func TestInlineBurst(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			n.Pair("c", "d")
			in := open(t, with(o, afpacket.Options{Interface: "b", CopyTo: "c"}))[0]
			out := open(t, afpacket.Options{Interface: "d", Blocks: 256})[0]
			tx := n.Sender("a")
			const burst = 600
			for i := range burst {
				if err := tx.Send(udp(t, i, false, uint16(i%2), "burst")); err != nil {
					t.Fatal(err)
				}
			}
			bridge(t, in, burst, func(i int, f *capture.Frame) {
				if i%5 == 0 {
					f.Verdict = capture.Drop
				}
			})
			got := collect(t, out, burst*4/5)
			if len(got) != burst*4/5 {
				t.Fatalf("%d frames came out", len(got))
			}
			i := 0
			for _, f := range got {
				if i%5 == 0 {
					i++
				}
				if !bytes.Equal(f.Data, udp(t, i, false, 0, "burst")) || f.VLAN[0] != uint16(i%2) {
					t.Fatalf("frame %d is another one", i)
				}
				i++
			}
			unsent := in.(*afpacket.Source).Unsent()
			n.Down("c")
			for i := range 10 {
				if err := tx.Send(udp(t, i, false, 0, "nowhere")); err != nil {
					t.Fatal(err)
				}
			}
			bridge(t, in, 10, nil)
			if got := in.(*afpacket.Source).Unsent() - unsent; got != 10 {
				t.Errorf("%d frames could not be sent, 10 were", got)
			}
		})
	}
}

// The other side of the wire is replaced: frames go to the new one.
func TestInlineToANewInterface(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	n.Pair("c", "d")
	in := open(t, afpacket.Options{Interface: "b", CopyTo: "c"})[0]
	n.Delete("c")
	n.Pair("c", "d")
	out := open(t, afpacket.Options{Interface: "d"})[0]
	tx := n.Sender("a")
	batch := make([]capture.Frame, 8)
	until(t, "a frame", func() bool {
		tx.Send(udp(t, 1, false, 0, "x"))
		k, _ := in.Read(context.Background(), batch)
		in.Release(batch[:k])
		k, _ = out.Read(context.Background(), batch)
		out.Release(batch[:k])
		return k > 0
	})
}

// Frames that are longer than a slot of the ring come through it whole.
func TestLongFrames(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	n.Pair("c", "d")
	in := open(t, afpacket.Options{Interface: "b", CopyTo: "c"})[0]
	passive := open(t, afpacket.Options{Interface: "b", Ring: afpacket.Slots})[0]
	out := open(t, afpacket.Options{Interface: "d"})[0]
	for _, name := range []string{"a", "b", "c", "d"} { // after the slots were made
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetMTU(l, 9000); err != nil {
			t.Fatal(err)
		}
	}
	tx := n.Sender("a")
	const frames = 50 // more than there are buffers
	long := udp(t, 1, false, 0, strings.Repeat("long ", 1500))
	for i := range frames {
		f := long
		if i%2 == 1 {
			f = udp(t, i, false, 3, "short")
		}
		if err := tx.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	bridge(t, in, frames, func(_ int, f *capture.Frame) {
		if f.Flags&capture.Truncated != 0 {
			t.Error("cut")
		}
	})
	for what, s := range map[string]capture.Source{"forwarded": out, "passive": passive} {
		got := collect(t, s, frames)
		if len(got) != frames {
			t.Fatalf("%s: %d frames of %d", what, len(got), frames)
		}
		for i, f := range got {
			want := long
			if i%2 == 1 {
				want = udp(t, i, false, 0, "short")
			}
			if !bytes.Equal(f.Data, want) {
				t.Fatalf("%s: frame %d has %d bytes, not %d", what, i, len(f.Data), len(want))
			}
		}
	}
}

// Forwarding allocates nothing.
func TestForwardAllocatesNothing(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			n.Pair("c", "d")
			s := open(t, with(o, afpacket.Options{Interface: "b", CopyTo: "c", BlockTimeout: time.Millisecond}))[0].(capture.Poller)
			tx := n.Sender("a")
			plain, tagged := udp(t, 1, false, 0, "x"), udp(t, 1, false, 5, "x")
			batch := make([]capture.Frame, 8)
			frames := 0
			ctx := context.Background()
			allocs := testing.AllocsPerRun(100, func() {
				tx.Send(plain)
				tx.Send(tagged)
				for i := range 3 {
					k, err := 0, error(nil)
					if i == 0 {
						k, err = s.Read(ctx, batch) // which waits for a block
					} else {
						k, err = s.Poll(batch)
					}
					if err != nil {
						t.Fatal(err)
					}
					frames += k
					s.Release(batch[:k])
				}
			})
			if frames < 50 || allocs != 0 {
				t.Errorf("%d frames, %v allocations a round", frames, allocs)
			}
		})
	}
}

// A datagram whose checksum its host has left to the card is changed on its way: the one that arrives is right, whatever was
// put in the place of the checksum.
func TestInlineModifiedWithoutChecksum(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			n.Pair("c", "d")
			left, right := n.Host("a", "10.9.0.1/24"), n.Host("d", "10.9.0.2/24")
			there := open(t, with(o, afpacket.Options{Interface: "b", CopyTo: "c"}))
			back := open(t, with(o, afpacket.Options{Interface: "c", CopyTo: "b"}))
			var in, out net.PacketConn
			var err error
			right.Do(func() { in, err = net.ListenPacket("udp4", "10.9.0.2:7777") })
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			left.Do(func() { out, err = net.ListenPacket("udp4", "10.9.0.1:0") })
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			ready := 0
			batch := make([]capture.Frame, 16)
			buf := make([]byte, 100)
			until(t, "the changed datagram", func() bool {
				if _, err := out.WriteTo([]byte("old"), &net.UDPAddr{IP: net.IPv4(10, 9, 0, 2), Port: 7777}); err != nil {
					t.Fatal(err)
				}
				for range 4 {
					for _, s := range append(there, back...) {
						k, err := s.Read(context.Background(), batch)
						if err != nil {
							t.Fatal(err)
						}
						for i := range batch[:k] {
							f := &batch[i]
							if bytes.HasSuffix(f.Data, []byte("old")) {
								copy(f.Data[len(f.Data)-3:], "new")
								f.Data[40], f.Data[41] = 0xde, 0xad
								f.Verdict = capture.Modified
								if f.Flags&capture.ChecksumOK != 0 {
									ready++
								}
							}
						}
						s.Release(batch[:k])
					}
				}
				in.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				k, _, _ := in.ReadFrom(buf)
				if ready == 0 && k == 0 {
					return false
				}
				if k > 0 && string(buf[:k]) != "new" {
					t.Fatalf("%q arrives", buf[:k])
				}
				return k > 0
			})
			if ready == 0 {
				t.Error("the checksums were not left out: the test shows nothing")
			}
		})
	}
}
