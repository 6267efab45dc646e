package filter

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// count returns how many frames of a capture of qa/pcaps pass.
func count(t *testing.T, name, text string) int {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pcapfile.Open("../../qa/pcaps/"+name+".pcap", pcapfile.Options{Filter: p.Frames(func(err error) { t.Error(err) })})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frames := make([]capture.Frame, 64)
	n := 0
	for {
		got, err := s.Read(context.Background(), frames)
		n += got
		if err := s.Release(frames[:got]); err != nil {
			t.Fatal(err)
		}
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The counts are those of tcpdump -r.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		file, text string
		want       int
	}{
		{"demo", ``, 633},
		{"demo", `tcp port 80`, 280},
		{"demo", `not port 22`, 586},
		{"demo", `icmp`, 13},
		{"demo", `tcp and not port 80`, 264},
		{"demo", `port 53 or 80`, 338},
		{"demo", `vlan 5 and tcp`, 0},
		{"demo", `vlan`, 12},
		{"demo", `vlan 42`, 12},
		{"demo", `vlan and tcp port 80`, 10},
		{"demo", `tcp[13] & 2 != 0`, 68},
		{"demo", `tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn`, 34},
		{"demo", `portrange 1-100`, 425},
		{"demo", `tcp portrange 443-8443`, 138},
		{"demo", `ip6`, 41},
		{"demo", `ip6 and tcp`, 33},
		{"demo", `ip6 host fd00:42::20`, 0},
		{"demo", `src port 53 or dst port 80`, 171},
		{"demo", `not (tcp port 80 or udp port 53)`, 335},
		{"demo", `! tcp && ! udp`, 35},
		{"demo", `greater 100`, 260},
		{"demo", `less 100`, 373},
		{"demo", `net 198.51.100.0/24`, 580},
		{"demo", `src net 192.168`, 286},
		{"demo", `dst net 192.168.20.0 mask 255.255.255.0`, 294},
		{"demo", `udp dst port domain`, 9},
		{"demo", `ip[6:2] & 0x1fff = 0`, 574},
		{"demo", `len > 200`, 155},
		{"demo", `ip proto 1`, 13},
		{"demo", `ip proto \tcp`, 511},
		{"demo", `host 192.168.20.10 and port 80`, 247},
		{"demo", `src host 192.168.20.10`, 286},
		{"demo", `src or dst host 198.51.100.20`, 580},
		{"demo", `src and dst port 80`, 0},
		{"demo", `ether multicast`, 3},
		{"demo", `ether broadcast`, 2},
		{"demo", `ether proto 0x0806`, 2},
		{"demo", `tcp and host 198.51.100.20 and not port 443`, 418},
		{"demo", `arp`, 2},
		{"demo", `udp[4:2] > 60`, 48},
		{"demo", `icmp[icmptype] = icmp-echo`, 4},
		{"demo", `tcp dst port https or ssh`, 71},
		{"http-vlan", `vlan`, 12},
		{"http-vlan", `vlan 42`, 12},
		{"http-vlan", `vlan 41`, 0},
		{"http-vlan", `not vlan`, 0},
		{"http-vlan", `tcp`, 0},
		{"http-vlan", `vlan and tcp port 80`, 10},
		{"http-vlan", `vlan 42 and host 10.42.0.10`, 12},
		{"http-vlan", `vlan and arp`, 2},
		{"http-ipv6", `tcp port 80`, 33},
		{"http-ipv6", `icmp6`, 0},
		{"http-ipv6", `ip6 proto 58`, 0},
		{"http-ipv6", `ip6 multicast`, 0},
		{"http-ipv6", `ip6[6] = 58`, 0},
		{"http-ipv6", `net fd00::/8`, 33},
		{"http-ipv6", `not ip6`, 0},
		{"http-vxlan", `udp port 4789`, 35},
		{"http-vxlan", `udp and greater 500`, 16},
	} {
		t.Run(c.file+"/"+c.text, func(t *testing.T) {
			if got := count(t, c.file, c.text); got != c.want {
				t.Errorf("%d frames pass, of tcpdump %d", got, c.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ text, word string }{
		{"garbage", "garbage"},
		{"host", "host"},
		{"host example.org", "not looked up"},
		{"port 99999", "99999"},
		{"port nonsense", "nonsense"},
		{"tcp port 80 and", "missing"},
		{"(tcp", ")"},
		{"tcp)", ")"},
		{"net 10.0.0.1/8", "mask"},
		{"icmp port 80", "icmp"},
		{"tcp[13", "]"},
		{"tcp[13:3] = 1", "3"},
		{"tcp[13] 2", "comparison"},
		{"ip host ::1", "::1"},
		{"vlan 5000", "5000"},
		{"portrange 9-1", "9-1"},
		{"tcp $ udp", "$"},
		{"mpls 5", "mpls"},
		{strings.Repeat("(", 100) + "tcp" + strings.Repeat(")", 100), "brackets"},
		{strings.Repeat("not ", 100) + "tcp", "brackets"},
		{strings.Repeat("port 80 or ", 300) + "port 81", "too long"},
	} {
		if p, err := Parse(c.text); err == nil {
			t.Errorf("%.40q is accepted: %v", c.text, p)
		} else if !strings.Contains(err.Error(), c.word) {
			t.Errorf("%.40q: the error does not tell of %q: %v", c.text, c.word, err)
		}
	}
}

// Long filters have jumps that do not fit into an instruction's eight bits.
func TestFarJumps(t *testing.T) {
	text := strings.Repeat("tcp port 9 or ", 60) + "udp port 53"
	if got, want := count(t, "demo", text), count(t, "demo", "udp port 53"); got != want {
		t.Errorf("%d frames pass, not %d", got, want)
	}
}

func TestLinkTypes(t *testing.T) {
	// An IPv4 header with a UDP header behind it, from port 4660 to port 53.
	ip := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 53, 0, 8, 0, 0}
	for _, c := range []struct {
		name string
		link capture.LinkType
		head []byte
	}{
		{"ethernet", capture.LinkEthernet, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}},
		{"raw", capture.LinkRaw, nil},
		{"cooked", capture.LinkSLL, []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}},
		{"cooked 2", capture.LinkSLL2, []byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}},
		{"loopback", capture.LinkNull, []byte{2, 0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &capture.Frame{Data: append(c.head, ip...), Link: c.link}
			for text, want := range map[string]bool{"udp dst port 53": true, "udp src port 53": false, "tcp": false, "ip6": false,
				"src 192.0.2.1": true, "net 198.51.100.0/25": true, "not ip": false} {
				p, err := Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				if got := p.Frames(nil)(f); got != want {
					t.Errorf("%s: %v, not %v", text, got, want)
				}
			}
		})
	}
	var told error
	p, _ := Parse("tcp")
	if p.Frames(func(err error) { told = err })(&capture.Frame{Data: ip, Link: 147}) || told == nil {
		t.Error("a link type that cannot be filtered passes, or nobody is told")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"tcp port 80 or 443", "not (host 10.0.0.1 and vlan 5)", "tcp[13] & (tcp-syn|tcp-ack) = tcp-syn",
		"src or dst net 10.0.0.0/8", "ether host 02:00:00:00:00:01", "portrange 1-2 and greater 3", "ip6 proto \\tcp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		for link := range layouts {
			raw, err := p.Compile(link)
			if err != nil {
				continue
			}
			ins, _ := bpf.Disassemble(raw)
			vm, err := bpf.NewVM(ins)
			if err != nil {
				t.Fatalf("%q: the program is refused: %v", s, err)
			}
			_, _ = vm.Run(make([]byte, 60))
		}
	})
}
