package sentinel

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sentinel/capture"
	"sentinel/capture/sim"
	"sentinel/decode"
)

// unhex reads bytes that are written with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	macs4   = "020000000002 020000000001 0800 " // to, from
	client4 = "0a000001"
	server4 = "0a000002"
	client6 = "20010db8000000000000000000000001"
	server6 = "20010db8000000000000000000000002"
)

// The bytes of answers, made by hand from RFC 9293 3.5.2 and 3.10.7.1, RFC 792, RFC 4443 and IEEE 802.1Q. Checksums are left out with
// dots: gopacket verifies them.
func TestRejectBytes(t *testing.T) {
	tcp4 := func(flags, seq, ack, payload string) string { // from client port 1000 to server port 80
		n := 40 + len(strings.Join(strings.Fields(payload), ""))/2
		return fmt.Sprintf("4500%04x 00010000 4006 0000 %s %s 03e8 0050 %s %s 50 %s 1000 0000 0000 %s", n, client4, server4, seq, ack, flags, payload)
	}
	rst4 := func(src, dst, sport, dport, seq, ack, flags string) string {
		return "45000028 00004000 4006 .... " + src + dst + sport + dport + seq + ack + "50" + flags + "0000 .... 0000"
	}
	udp6 := "60000000 000c 11 40" + client6 + server6 + "03e8 0035 000c 0000 61626364"
	udp4 := "45000020 00010000 4011 0000" + client4 + server4 + "03e8 0035 000c 0000 61626364"
	for _, c := range []struct {
		name    string
		frame   string
		vlan    [2]uint16
		link    capture.LinkType
		onward  bool
		dropped bool
		want    string // "" = none
	}{
		// RFC 9293, 3.5.2: "If the incoming segment has an ACK field, the reset takes its sequence number from the ACK field of the
		// segment; otherwise, the reset has sequence number zero and the ACK field is set to the sum of the sequence number and
		// segment length of the incoming segment."
		{name: "data, to its source", frame: macs4 + tcp4("18", "00000064", "000000c8", "414243"), dropped: true,
			want: "020000000001 020000000002 0800" + rst4(server4, client4, "0050", "03e8", "000000c8", "00000000", "04")},
		{name: "SYN, to its source", frame: macs4 + tcp4("02", "ffffffff", "00000000", ""), dropped: true,
			want: "020000000001 020000000002 0800" + rst4(server4, client4, "0050", "03e8", "00000000", "00000000", "14")},
		{name: "FIN without ACK, to its source", frame: macs4 + tcp4("01", "00000064", "00000000", "41"), dropped: true,
			want: "020000000001 020000000002 0800" + rst4(server4, client4, "0050", "03e8", "00000000", "00000066", "14")},
		// RFC 5961, 3.2: only the sequence number that is expected next resets at once.
		{name: "dropped data, to its destination", frame: macs4 + tcp4("18", "00000064", "000000c8", "414243"), onward: true, dropped: true,
			want: macs4 + rst4(client4, server4, "03e8", "0050", "00000064", "000000c8", "14")},
		{name: "seen data, to its destination", frame: macs4 + tcp4("18", "00000064", "000000c8", "414243"), onward: true,
			want: macs4 + rst4(client4, server4, "03e8", "0050", "00000067", "000000c8", "14")},
		{name: "tags in the frame", frame: "020000000002 020000000001 88a8 2005 8100 6007 0800" + tcp4("10", "00000064", "000000c8", ""), dropped: true,
			want: "020000000001 020000000002 88a8 2005 8100 6007 0800" + rst4(server4, client4, "0050", "03e8", "000000c8", "00000000", "04")},
		{name: "tags taken out", frame: macs4 + tcp4("10", "00000064", "000000c8", ""), vlan: [2]uint16{5, 7}, dropped: true,
			want: "020000000001 020000000002 8100 0005 8100 0007 0800" + rst4(server4, client4, "0050", "03e8", "000000c8", "00000000", "04")},
		{name: "no link layer", frame: tcp4("10", "00000064", "000000c8", ""), link: capture.LinkRaw, dropped: true,
			want: rst4(server4, client4, "0050", "03e8", "000000c8", "00000000", "04")},
		{name: "IPv6", dropped: true, frame: "020000000002 020000000001 86dd 60000000 0014 06 40" + client6 + server6 +
			"03e8 0050 00000064 000000c8 50 10 1000 0000 0000",
			want: "020000000001 020000000002 86dd 60000000 0014 06 40" + server6 + client6 + "0050 03e8 000000c8 00000000 50 04 0000 .... 0000"},
		// RFC 792: type 3, the header and at least 64 bits of the packet; code 10: RFC 1122, 3.2.2.1.
		{name: "UDP", frame: macs4 + udp4, dropped: true,
			want: "020000000001 020000000002 0800 4500003c 00004000 4001 ...." + server4 + client4 + "03 0a .... 00000000" + udp4},
		{name: "UDP, to its destination", frame: macs4 + udp4, onward: true, dropped: true,
			want: macs4 + "4500003c 00004000 4001 ...." + client4 + server4 + "03 0a .... 00000000" +
				"45000020 00010000 4011 0000" + server4 + client4 + "0035 03e8 000c 0000 61626364"},
		// RFC 4443, 3.1: type 1, code 1.
		{name: "UDP over IPv6", frame: "020000000002 020000000001 86dd" + udp6, dropped: true,
			want: "020000000001 020000000002 86dd 60000000 003c 3a 40" + server6 + client6 + "01 01 .... 00000000" + udp6},
		{name: "ping", frame: macs4 + "4500001c 00010000 4001 0000" + client4 + server4 + "0800 0000 0001 0001", dropped: true,
			want: "020000000001 020000000002 0800 45000038 00004000 4001 ...." + server4 + client4 + "03 0a .... 00000000" +
				"4500001c 00010000 4001 0000" + client4 + server4 + "0800 0000 0001 0001"},
		// RFC 9293, 3.10.7.1; RFC 1122, 3.2.2; RFC 4443, 2.4 (e).
		{name: "reset", frame: macs4 + tcp4("04", "00000064", "000000c8", "")},
		{name: "ICMP error", frame: macs4 + "45000038 00010000 4001 0000" + client4 + server4 + "0301 0000 00000000" + udp4[:len(udp4)-8]},
		{name: "ICMPv6 error", frame: "020000000002 020000000001 86dd 60000000 0008 3a 40" + client6 + server6 + "0101 0000 00000000"},
		{name: "neighbour solicitation", frame: "020000000002 020000000001 86dd 60000000 0018 3a ff" + client6 + server6 + "8700 0000 00000000" + server6},
		{name: "to a group", frame: "01005e000001 020000000001 0800 45000020 00010000 4011 0000" + client4 + "e0000001 03e8 0035 000c 0000 61626364"},
		{name: "to all", frame: "ffffffffffff 020000000001 0800" + udp4},
		{name: "from nobody", frame: macs4 + "45000020 00010000 4011 0000 00000000" + server4 + "03e8 0035 000c 0000 61626364"},
		{name: "later fragment", frame: macs4 + "4500001c 00010001 4011 0000" + client4 + server4 + "6162636465666768"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := capture.Frame{Data: unhex(t, c.frame), Link: c.link, VLAN: c.vlan}
			if c.link == 0 {
				f.Link = capture.LinkEthernet
			}
			f.WireLen = uint32(len(f.Data))
			s := decode.NewStack(decode.DefaultConfig())
			s.Decode(&f)
			p := &s.Packets[0]
			if ok := answerable(p); ok != (c.want != "") {
				t.Fatalf("answerable: %v", ok)
			}
			if c.want == "" {
				return
			}
			b, ok := linkHeader(nil, &f, p, c.onward)
			if !ok {
				t.Fatal("no link-layer header")
			}
			got := appendAnswer(b, p, c.onward, c.dropped)
			if len(strings.Join(strings.Fields(c.want), "")) != 2*len(got) {
				t.Fatalf("%x, want %s", got, c.want)
			}
			for i, d := range strings.Join(strings.Fields(c.want), "") {
				if h := hex.EncodeToString(got); d != '.' && h[i] != byte(d) {
					t.Fatalf("digit %d of %s, want %s", i, h, c.want)
				}
			}
			verify(t, got, f.Link)
		})
	}
}

// verify checks the checksums of a frame with those that gopacket computes.
func verify(t *testing.T, frame []byte, link capture.LinkType) {
	t.Helper()
	first := layers.LayerTypeEthernet
	if link == capture.LinkRaw {
		first = layers.LayerTypeIPv4
	}
	p := gopacket.NewPacket(frame, first, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatal(e.Error())
	}
	var l []gopacket.SerializableLayer
	for _, x := range p.Layers() {
		switch x := x.(type) {
		case *layers.TCP:
			_ = x.SetNetworkLayerForChecksum(p.NetworkLayer())
			l = append(l, x)
		case *layers.ICMPv4:
			l = append(l, x, gopacket.Payload(x.Payload))
		case *layers.ICMPv6:
			_ = x.SetNetworkLayerForChecksum(p.NetworkLayer())
			l = append(l, x, gopacket.Payload(x.Payload))
		case *layers.Ethernet, *layers.Dot1Q, *layers.IPv4, *layers.IPv6:
			l = append(l, x.(gopacket.SerializableLayer))
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true}, l...); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(buf.Bytes(), frame) || len(bytes.Trim(buf.Bytes()[len(frame):], "\x00")) > 0 { // gopacket pads
		t.Errorf("\n%x, checksums say\n%x", frame, buf.Bytes())
	}
}

// Answers leave on the side of the wire where who is to get them sits: in both run modes, once for each packet that a rule rejects,
// and to whom the action says.
func TestRejectOnTheWire(t *testing.T) {
	for _, mode := range []string{"workers", "autofp"} {
		for _, c := range []struct {
			action    string
			back, fwd int
		}{{"reject", 1, 0}, {"rejectsrc", 1, 0}, {"rejectdst", 0, 1}, {"rejectboth", 1, 1}, {"drop", 0, 0}} {
			t.Run(mode+" "+c.action, func(t *testing.T) {
				w := &watch{t: t}
				s := newSession(t, "10.0.0.1", 1000, "10.0.0.2", 80, 0)
				turn := make(chan struct{})
				open := s.open()
				back, end := make(chan struct{}), make(chan struct{})
				a := sim.New(open[0], sim.Drain(), sim.Do(func() { close(turn) }), sim.Hold(back), open[2], sim.Drain(),
					s.frame(0, false, false, "bad word"), s.frame(0, false, false, "and more"), sim.Drain(), sim.Do(func() { close(end) }))
				b := sim.New(sim.Hold(turn), open[1], sim.Drain(), sim.Do(func() { close(back) }), sim.Hold(end))
				e, sources := w.pair(Options{RunMode: mode, Workers: 2,
					Rules: c.action + ` tcp any any -> any any (msg:"bad"; content:"bad word"; sid:1;)`}, a, b)
				if err := e.Run(t.Context(), sources...); err != nil {
					t.Fatal(err)
				}
				if got := [2]int{len(a.Injected()), len(b.Injected())}; got != [2]int{c.back, c.fwd} {
					t.Errorf("%v frames were sent back and onward, want %d and %d", got, c.back, c.fwd)
				}
				if c.back == 1 && len(a.Injected()) == 1 {
					want := "020000000001020000000002 0800 45000028 00004000 4006 26ce 0a000002 0a000001 0050 03e8"
					if got := a.Injected()[0]; !bytes.HasPrefix(got, unhex(t, want)) {
						t.Errorf("%x, want %s", got, want)
					}
				}
				if n := w.sids()[1]; n != 1 {
					t.Errorf("%d alerts", n)
				}
				if got := e.Counters(); got["sentinel.rejects.sent"] != uint64(c.back+c.fwd) || got["sentinel.rejects.not_sent"] != 0 ||
					c.action != "drop" && got["ips.rejected"] != 1 {
					t.Errorf("sent %d, not sent %d, rejected %d", got["sentinel.rejects.sent"], got["sentinel.rejects.not_sent"], got["ips.rejected"])
				}
				if got := dropped(t, a); len(got) != 2 {
					t.Errorf("dropped %v, want the two frames of data", got)
				}
			})
		}
	}
}

// replace changes packets that go on, with their checksums, and only inline.
func TestReplaceOnTheWire(t *testing.T) {
	const rules = `alert udp any any -> any any (msg:"r"; content:"secret"; replace:"******"; content:"word"; distance:1; replace:"WORD"; sid:1;)
alert udp any any -> any any (msg:"no"; content:"public"; replace:"PUBLIC"; content:"absent"; sid:2;)`
	for _, mode := range []string{"workers", "autofp"} {
		t.Run(mode, func(t *testing.T) {
			w := &watch{t: t}
			frame := func(payload string) []byte { return datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, payload) }
			a := sim.New(sim.Packet(frame("a secret word"), at(0)), sim.Packet(frame("a public word"), at(1)), sim.Drain())
			e, sources := w.pair(Options{RunMode: mode, Workers: 2, Rules: rules}, a, sim.New())
			if err := e.Run(t.Context(), sources...); err != nil {
				t.Fatal(err)
			}
			v := a.Verdicts()
			if len(v) != 2 || v[0].Verdict != capture.Modified || v[1].Verdict != capture.Accept {
				t.Fatalf("verdicts %+v", v)
			}
			if want := frame("a ****** WORD"); !bytes.Equal(v[0].Data, want) {
				t.Errorf("\n%x, want\n%x", v[0].Data, want)
			}
			if c := e.Counters(); c["ips.replaced"] != 1 || c["ips.accepted"] != 1 {
				t.Errorf("%d replaced, %d accepted", c["ips.replaced"], c["ips.accepted"])
			}
			if s := w.sids(); s[1] != 1 || s[2] != 0 {
				t.Errorf("alerts %v", s)
			}
		})
	}
}
