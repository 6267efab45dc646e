package dpdk

import (
	"encoding/binary"
	"slices"
	"testing"
)

// packet builds an Ethernet frame around an IP packet.
func packet(before []byte, typ uint16, ip []byte) []byte {
	b := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, before...)
	return append(binary.BigEndian.AppendUint16(b, typ), ip...)
}

func ipv4(src, dst [4]byte, proto byte, flags uint16, sport, dport uint16) []byte {
	b := []byte{0x45, 0, 0, 28, 0, 0, byte(flags >> 8), byte(flags), 64, proto, 0, 0}
	b = append(append(b, src[:]...), dst[:]...)
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	return append(b, 0, 8, 0, 0)
}

func ipv6(src, dst byte, proto byte, sport, dport uint16) []byte {
	b := []byte{0x60, 0, 0, 0, 0, 8, proto, 64}
	for _, last := range []byte{src, dst} {
		b = append(b, 0x20, 1, 0xd, 0xb8, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last)
	}
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	return append(b, 0, 8, 0, 0)
}

func TestHash(t *testing.T) {
	a, b := [4]byte{10, 0, 0, 1}, [4]byte{192, 0, 2, 7}
	there, back := ipv4(a, b, 17, 0, 1024, 53), ipv4(b, a, 17, 0, 53, 1024)
	plain := hash(packet(nil, 0x800, there), 0)
	if plain == 0 {
		t.Fatal("no hash")
	}
	for _, c := range []struct {
		name  string
		frame []byte
		ports uint64
		same  bool // as plain
	}{
		{"back", packet(nil, 0x800, back), 0, true},
		{"other ports", packet(nil, 0x800, ipv4(a, b, 6, 0, 5, 6)), 0, true},
		{"a fragment", packet(nil, 0x800, ipv4(a, b, 17, 0x2000, 1024, 53)), 0, true},
		{"a later fragment, ports asked for", packet(nil, 0x800, ipv4(a, b, 17, 5, 1024, 53)), rssIPv4UDP, true},
		{"another host", packet(nil, 0x800, ipv4(a, [4]byte{192, 0, 2, 8}, 17, 0, 1024, 53)), 0, false},
		{"ports asked for", packet(nil, 0x800, there), rssIPv4UDP, false},
		{"VLAN", packet([]byte{0x81, 0, 0, 5}, 0x800, there), 0, true},
		{"QinQ", packet([]byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 6}, 0x800, there), 0, true},
		{"PPPoE", packet([]byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 30}, 0x21, there), 0, true},
		{"MPLS", packet([]byte{0x88, 0x47, 0, 1, 0x00, 64, 0, 1}, 0x0140, there), 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hash(c.frame, c.ports); (got == plain) != c.same || got == 0 {
				t.Errorf("%#x and %#x", got, plain)
			}
		})
	}
	if x, y := hash(packet(nil, 0x800, there), rssIPv4UDP), hash(packet(nil, 0x800, back), rssIPv4UDP); x != y {
		t.Errorf("with ports: %#x and %#x back", x, y)
	}
	for _, ports := range []uint64{0, rssIPv6TCP} {
		x, y := hash(packet(nil, 0x86dd, ipv6(1, 2, 6, 1024, 443)), ports), hash(packet(nil, 0x86dd, ipv6(2, 1, 6, 443, 1024)), ports)
		if x != y || x == 0 || x == hash(packet(nil, 0x86dd, ipv6(1, 3, 6, 1024, 443)), ports) {
			t.Errorf("IPv6, ports %#x: %#x and %#x back", ports, x, y)
		}
	}
	if h := hash(packet(nil, 0x806, make([]byte, 28)), 0); h != 0 {
		t.Errorf("ARP has a hash: %#x", h)
	}
}

// Hosts of a network are shared out over four lanes within a third of equal shares.
func TestHashSpreads(t *testing.T) {
	var lanes [4]int
	const hosts = 4000
	for i := range hosts {
		h := hash(packet(nil, 0x800, ipv4([4]byte{10, 0, byte(i >> 8), byte(i)}, [4]byte{192, 0, 2, 1}, 6, 0, 1, 2)), 0)
		lanes[uint64(h)*4>>32]++
	}
	for _, n := range lanes {
		if n < hosts/4*2/3 || n > hosts/4*4/3 {
			t.Errorf("%v", lanes)
		}
	}
}

func FuzzHash(f *testing.F) {
	a, b := [4]byte{10, 0, 0, 1}, [4]byte{192, 0, 2, 7}
	f.Add(packet(nil, 0x800, ipv4(a, b, 17, 0, 1024, 53)))
	f.Add(packet([]byte{0x81, 0, 0, 5}, 0x86dd, ipv6(1, 2, 6, 1, 2)))
	f.Add(packet([]byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 30}, 0x57, ipv6(1, 2, 6, 1, 2)))
	f.Add(packet([]byte{0x88, 0x47, 0, 1, 0, 64, 0, 1}, 0x0140, ipv4(a, b, 6, 0, 1, 2)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, ports := range []uint64{0, rssPorts} {
			h := hash(data, ports)
			if twin != nil {
				if c := twin(data, ports); c != h {
					t.Fatalf("%x: %#x, in C %#x", data, h, c)
				}
			}
			if typ, ok := be16(data, 12); ok && typ == 0x0800 && len(data) >= 34 && h != 0 && ports == 0 {
				back := slices.Concat(data[:26], data[30:34], data[26:30], data[34:])
				if hash(back, ports) != h {
					t.Fatalf("%x: not symmetric", data)
				}
			}
		}
	})
}
