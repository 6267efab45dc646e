package defrag

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"sentinel/capture"
	"sentinel/decode"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// shared is where captures lie that are not part of the project.
const shared = "../../../shared"

// frames reads a capture and calls f with each frame.
func frames(t *testing.T, name string, f func(*capture.Frame)) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Skipf("no capture: %v", err)
	}
	defer file.Close()
	var head [24]byte
	if _, err := io.ReadFull(file, head[:]); err != nil {
		t.Fatal(err)
	}
	if binary.LittleEndian.Uint32(head[:]) == 0x0a0d0d0a {
		file.Seek(0, io.SeekStart)
		r, err := pcapgo.NewNgReader(file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			t.Skipf("not read by the test's reader: %v", err)
		}
		for {
			b, ci, err := r.ReadPacketData()
			if err != nil {
				return
			}
			link := capture.LinkType(r.LinkType())
			if len(ci.AncillaryData) > 0 {
				if l, ok := ci.AncillaryData[0].(layers.LinkType); ok {
					link = capture.LinkType(l)
				}
			}
			f(&capture.Frame{Data: b, WireLen: uint32(ci.Length), Time: ci.Timestamp.UnixNano(), Link: link})
		}
	}
	var order binary.ByteOrder = binary.LittleEndian
	unit := int64(1000)
	switch m := binary.LittleEndian.Uint32(head[:]); m {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = 1
	case 0xd4c3b2a1:
		order = binary.BigEndian
	case 0x4d3cb2a1:
		order, unit = binary.BigEndian, 1
	default:
		t.Skipf("not read by the test's reader: magic %#x", m)
	}
	link := capture.LinkType(order.Uint32(head[20:]) & 0x0fffffff)
	for {
		var rec [16]byte
		if _, err := io.ReadFull(file, rec[:]); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
			return
		}
		n := order.Uint32(rec[8:])
		if n > 1<<20 {
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(file, b); err != nil {
			return
		}
		ts := int64(order.Uint32(rec[:]))*1e9 + int64(order.Uint32(rec[4:]))*unit
		f(&capture.Frame{Data: b, WireLen: order.Uint32(rec[12:]), Time: ts, Link: link})
	}
}

// count decodes a capture with reassembly, as the engine does, and returns all counters that are not zero.
func count(t *testing.T, name string) map[string]uint64 {
	// The reference's shipped configuration names Teredo's port, and 8.0 knows no reserved bits of VXLAN.
	c := decode.DefaultConfig()
	c.TeredoPorts = []uint16{3544}
	c.VXLANPermissive = true
	s := decode.NewStack(c)
	table := New(Config{})
	var events decode.EventCounts
	frames(t, name, func(f *capture.Frame) {
		n := s.Decode(f)
		for i := 0; i < n; i++ {
			p := &s.Packets[i]
			if p.Flags&decode.Fragment != 0 {
				if b, ok := table.Add(p, p.Time); ok {
					n = s.DecodeDatagram(i, b, p.IPVersion == 6)
				}
			}
		}
		for i := 0; i < n; i++ {
			events.Add(&s.Packets[i].Events)
		}
	})
	m := map[string]uint64{}
	for i, v := range s.Counts {
		if v != 0 {
			m[decode.CountNames[i]] = v
		}
	}
	for e, v := range events {
		if v != 0 {
			m[decode.Event(e).CounterName("decoder.event")] = v
		}
	}
	for k, v := range map[string]uint64{
		"defrag.ipv4.fragments": table.Stats.Fragments4, "defrag.ipv4.reassembled": table.Stats.Reassembled4,
		"defrag.ipv6.fragments": table.Stats.Fragments6, "defrag.ipv6.reassembled": table.Stats.Reassembled6,
	} {
		if v != 0 {
			m[k] = v
		}
	}
	return m
}

// TestGolden compares counters with those that the reference engine (8.0.7, no rules, default configuration) printed
// for the same captures.
func TestGolden(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Skipf("no captures: %v", err)
	}
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]map[string]uint64
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(golden))
	for n := range golden {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, name := range names {
		want := golden[name]
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			got := count(t, filepath.Join(shared, name))
			for k, v := range want {
				if why := excused(k, want); why != "" {
					continue
				}
				if got[k] != v {
					t.Errorf("%s = %d, the reference counts %d", k, got[k], v)
				}
			}
			for k, v := range got {
				if _, ok := want[k]; !ok && excused(k, want) == "" {
					t.Errorf("%s = %d, the reference counts none", k, v)
				}
			}
		})
	}
}

// excused says why a counter may differ from that of the reference, which is a version behind, or "".
func excused(name string, want map[string]uint64) string {
	switch {
	case name == "decoder.igmp", strings.HasPrefix(name, "sctp."), strings.HasPrefix(name, "decoder.event.sctp."),
		strings.HasPrefix(name, "decoder.event.igmp."), strings.HasSuffix(name, "ipv4.unknown_protocol"):
		return "new in 9.0"
	case name == "decoder.ethernet" && want["decoder.vxlan"] > 0, name == "decoder.arp" && want["decoder.vxlan"] > 0:
		return "9.0 decodes all of the Ethernet frame in VXLAN"
	case strings.HasPrefix(name, "decoder.event.arp."):
		return "8.0 leaves these out of its totals"
	case name == "decoder.event.ipv4.opt_invalid_len", name == "decoder.event.ipv6.dstopts_unknown_opt", name == "decoder.event.ipv6.exthdr_dupl_fh":
		return "the reference counts an event as often as a packet has it"
	}
	return ""
}
