//go:build linux

package xdp

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/qa/live"
)

// tap counts the frames with our protocol number that the network stack gets.
type tap int

func open(t *testing.T) tap {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(binary.NativeEndian.Uint16([]byte{8, 0}))) // IPv4
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 300_000}); err != nil {
		t.Fatal(err)
	}
	return tap(fd)
}

// frames reads until nothing comes any more, and counts what came on the interface.
func (s tap) frames(index int) (n int) {
	var b [2048]byte
	for {
		_, from, err := unix.Recvfrom(int(s), b[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n
		}
		if a, ok := from.(*unix.SockaddrLinklayer); ok && a.Ifindex == index && a.Pkttype != unix.PACKET_OUTGOING {
			n++
		}
	}
}

func TestLive(t *testing.T) {
	for _, mode := range []Mode{Native, Generic, Auto} {
		t.Run(mode.String(), func(t *testing.T) {
			n := live.New(t)
			n.Pair("in0", "out0")
			n.Pair("on0", "far0")
			p, err := Attach(Options{Interface: "in0", Mode: mode, Flows: 16, Peer: "on0"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}()
			if want := max(mode, Native); p.Mode() != want || p.Fallback() != "" || !p.Frags() {
				t.Errorf("mode %v, fallback %q, frags %v", p.Mode(), p.Fallback(), p.Frags())
			}
			if p.Hosts4() != nil || p.Networks6() != nil || p.Counters() != nil {
				t.Error("there are maps of what is switched off")
			}
			s := open(t)
			const rest, dropped, away = 30, 20, 10
			put(t, p.Flows4(), key4("10.0.0.1", "10.0.0.2", 1, 2, 17), FlowValue{Slot: 0, Action: Drop})
			put(t, p.Flows4(), key4("10.0.0.1", "10.0.0.2", 3, 4, 17), FlowValue{Slot: 1, Action: Redirect})
			send := n.Sender("out0")
			for i := range rest {
				flow := func(sp, dp uint16) []byte {
					return ethernet(0x0800, datagram4("10.0.0.1", "10.0.0.2", 17, 0, 0, ports(sp, dp, 20)))
				}
				frames := [][]byte{flow(5, 6)}
				if i < dropped {
					frames = append(frames, flow(1, 2))
				}
				if i < away {
					frames = append(frames, flow(3, 4))
				}
				for _, f := range frames {
					if err := send.Send(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			in, _ := find("in0")
			if got := s.frames(in.index); got != rest {
				t.Errorf("%d frames went on to the stack, want %d", got, rest)
			}
			for slot, want := range []uint64{dropped, away} {
				if got := p.Slots().Read(uint32(slot)); got.Packets != want || got.Bytes != want*58 {
					t.Errorf("slot %d: %+v, want %d packets of 58 bytes", slot, got, want)
				}
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	for _, mode := range []Mode{Native, Generic} {
		t.Run(mode.String(), func(t *testing.T) {
			n := live.New(t)
			n.Pair("in0", "out0")
			n.Pair("on0", "far0")
			p, err := Attach(Options{Interface: "in0", Mode: mode, Flows: 16, Peer: "on0"})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			// Of a pair, one end takes what a driver redirects to it only if the other one has a program.
			far, err := Attach(Options{Interface: "far0", Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			s := open(t)
			put(t, p.Flows4(), key4("10.0.0.1", "10.0.0.2", 3, 4, 17), FlowValue{Action: Redirect})
			send := n.Sender("out0")
			for range 10 {
				if err := send.Send(ethernet(0x0800, datagram4("10.0.0.1", "10.0.0.2", 17, 0, 0, ports(3, 4, 20)))); err != nil {
					t.Fatal(err)
				}
			}
			to, _ := find("far0")
			if got := s.frames(to.index); got != 10 {
				t.Errorf("%d frames left by the peer, want 10", got)
			}
		})
	}
}

// Two users share a program; what the first one has put into maps stays, and the program stays until both are gone.
func TestShare(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	first, err := Share(Options{Interface: "in0", Flows: 8})
	if err != nil {
		t.Fatal(err)
	}
	flows := first.Flows4()
	put(t, flows, key4("10.0.0.1", "10.0.0.2", 1, 2, 17), FlowValue{Slot: 3})
	second, err := Share(Options{Interface: "in0", Sockets: 2, Hosts: 8, Flows: 100})
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Fatal("the second user has another program")
	}
	put(t, second.Hosts4(), Host4Key{Address: [4]byte{10, 0, 0, 9}}, HostValue{})
	send := n.Sender("out0")
	frames := func(src string) {
		t.Helper()
		for range 5 {
			if err := send.Send(ethernet(0x0800, datagram4(src, "10.0.0.2", 17, 0, 0, ports(1, 2, 20)))); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait := func(slot uint32, want uint64) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			got := first.Slots().Read(slot).Packets
			if got == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("slot %d counts %d, want %d", slot, got, want)
			}
		}
	}
	frames("10.0.0.1")
	frames("10.0.0.9")
	wait(3, 5)
	put(t, flows, key4("10.0.0.7", "10.0.0.2", 1, 2, 17), FlowValue{Slot: 4}) // the map is still the same
	frames("10.0.0.7")
	wait(4, 5)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	frames("10.0.0.1")
	wait(3, 10)
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Interface: "in0", Mode: Generic}, "native mode, not in generic mode"},
		{Options{Interface: "in0", Sockets: 3}, "room for 2 sockets, not for 3"},
		{Options{Interface: "in0", Flows: 1, IgnoreVLAN: true}, "VLAN"},
		{Options{Interface: "nowhere"}, "no such interface"},
	} {
		if _, err := Share(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if first.Flows4() != nil || len(programs.at) != 0 {
		t.Error("the program outlives its users")
	}
	// The interface is free again.
	again, err := Attach(Options{Interface: "in0", Mode: Generic})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// A foreign program is not replaced, and the error says how to get rid of it.
func TestForeignProgram(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	o := built(t, Options{})
	at, err := find("in0")
	if err != nil {
		t.Fatal(err)
	}
	foreign := &Program{at: at, objs: *o, opts: Options{Interface: "in0"}}
	if err := foreign.attach(Native); err != nil {
		t.Fatal(err)
	}
	defer foreign.link.Close()
	if _, err := Attach(Options{Interface: "in0"}); err == nil || !strings.Contains(err.Error(), "xdp off") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutRights(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	// The thread of this test alone gives its rights up: it is locked, and not used again.
	result := make(chan error)
	at, err := find("in0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		result <- lowly(func() error {
			p := &Program{at: at, users: 1}
			return p.load(Options{Interface: "in0", Flows: 4}, nil)
		})
	}()
	err = <-result
	if err == nil || !strings.Contains(err.Error(), "CAP_BPF") || !strings.Contains(err.Error(), "in0") {
		t.Errorf("got %v", err)
	}
}
