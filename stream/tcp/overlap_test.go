package tcp

import (
	"net/netip"
	"strings"
	"testing"

	"sentinel/decode"
	"sentinel/internal/mem"
)

func policyConfig(p Policy) Config {
	cfg := DefaultConfig()
	cfg.Hosts = &Hosts{}
	cfg.Hosts.Add(netip.MustParsePrefix("0.0.0.0/0"), p)
	return cfg
}

// TestOverlapPolicy checks which of two overlapping segments counts, for each way they can overlap. The expectations are
// the rules of Novak and Sturges, Target-Based TCP Stream Reassembly (2007), section on policies:
// BSD favours the original segment unless the subsequent one begins before it; Linux also when it begins the same and ends
// after; old Linux also when it begins the same and ends the same or after; Solaris favours the subsequent one unless the
// original ends after it, or begins before it and ends the same or after; first and last as the names say.
func TestOverlapPolicy(t *testing.T) {
	const (
		before = -2
		same   = 0
		after  = 2
	)
	bsd := func(start, end int) bool { return start == before }
	first := func(start, end int) bool { return false }
	solaris := func(start, end int) bool {
		originalEndsAfter := end == before
		return !originalEndsAfter && !(start == after && end <= same)
	}
	for p, subsequent := range map[Policy]func(start, end int) bool{
		PolicyBSD: bsd, PolicyBSDRight: bsd, PolicyHPUX10: bsd, PolicyIRIX: bsd, PolicyMacOS: bsd, PolicyWindows: bsd,
		PolicyWindows2K3: bsd, PolicyFirst: first, PolicyVista: first,
		PolicyLast:       func(start, end int) bool { return true },
		PolicyLinux:      func(start, end int) bool { return start == before || start == same && end == after },
		PolicyOldLinux:   func(start, end int) bool { return start == before || start == same && end >= same },
		PolicySolaris:    solaris,
		PolicyOldSolaris: solaris,
	} {
		for _, start := range []int{before, same, after} {
			for _, end := range []int{before, same, after} {
				r := newRig(t, policyConfig(p))
				r.open()
				const a, b = 10, 20 // the original segment
				r.data(a, strings.Repeat("o", b-a))
				x, y := a+start, b+end
				r.data(uint32(x), strings.Repeat("s", y-x))
				r.data(0, strings.Repeat("-", min(a, x)))
				r.ack(uint32(max(b, y)))
				want := "o"
				if subsequent(start, end) {
					want = "s"
				}
				lo, hi := max(a, x), min(b, y)
				if got := string(r.got[0][lo:hi]); got != strings.Repeat(want, hi-lo) {
					t.Errorf("%v, start %+d, end %+d: got %q, want %q", p, start, end, r.got[0], want)
				}
				if r.tr.Counters()[CountOverlap] != 1 {
					t.Errorf("%d overlaps counted", r.tr.Counters()[CountOverlap])
				}
				r.shutdown()
			}
		}
	}
}

func TestPolicyNames(t *testing.T) {
	for p := PolicyNone; p < policyCount; p++ {
		if q, ok := PolicyByName(strings.ReplaceAll(p.String(), "-", "_")); !ok || q != p {
			t.Errorf("%v: found %v", p, q)
		}
	}
	if _, ok := PolicyByName("plan9"); ok {
		t.Error("unknown policy was found")
	}
}

func TestHostsLongestPrefix(t *testing.T) {
	h := &Hosts{}
	h.Add(netip.MustParsePrefix("10.0.0.0/24"), PolicyLinux)
	h.Add(netip.MustParsePrefix("10.0.0.2/32"), PolicySolaris)
	h.Add(netip.MustParsePrefix("0.0.0.0/0"), PolicyVista)
	h.Add(netip.MustParsePrefix("2001:db8::/32"), PolicyMacOS)
	for dst, want := range map[string]Policy{
		"10.0.0.2": PolicySolaris, "10.0.0.3": PolicyLinux, "192.0.2.1": PolicyVista, "2001:db8::1": PolicyMacOS, "2001:db9::1": PolicyBSD,
	} {
		p := &decode.Packet{IPVersion: 4}
		a := netip.MustParseAddr(dst)
		if a.Is6() {
			p.IPVersion = 6
		}
		copy(p.Dst[:], a.AsSlice())
		if got := h.of(p); got != want {
			t.Errorf("%s: %v, want %v", dst, got, want)
		}
	}
}

func TestOverlapDifferentDataEvent(t *testing.T) {
	for _, check := range []bool{false, true} {
		cfg := DefaultConfig()
		cfg.CheckOverlap = check
		r := newRig(t, cfg)
		r.open()
		r.data(0, "abcdef")
		r.data(2, "cdefg") // equal where they overlap
		r.wantEvents()
		r.data(3, "XXXXX")
		if check {
			r.wantEvents("reassembly_overlap_different_data")
		} else {
			r.wantEvents()
		}
		r.ack(8)
		r.want(toServer, "abcdefgX")
		r.shutdown()
	}
}

func TestInlineRewritesConflicts(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Inline = true
	cfg.Hosts = &Hosts{}
	cfg.Hosts.Add(netip.MustParsePrefix("0.0.0.0/0"), PolicyLast) // does not count inline
	r := newRig(t, cfg)
	r.open()
	r.data(0, "abc")
	r.want(toServer, "abc") // at once
	r.data(2, "XYZ")
	r.wantEvents("reassembly_overlap_different_data")
	if !r.out.Modified || string(r.p.Payload) != "cYZ" {
		t.Errorf("packet now carries %q", r.p.Payload)
	}
	r.want(toServer, "abcYZ")
	r.shutdown()
}

func TestRegions(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxRegions = 3
	cfg.Depth = 0
	r := newRig(t, cfg)
	scale := func(p *decode.Packet) { p.TCP.Opts, p.TCP.WScale = decode.OptWScale, 14 }
	r.send(pkt{d: toServer, fl: decode.SYN, opt: scale})
	r.send(pkt{d: toClient, fl: decode.SYN | decode.ACK, ack: 1, opt: scale})
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 1, ack: 1})
	r.send(pkt{d: toClient, fl: decode.ACK, seq: 1, ack: 1})
	r.data(0, "a")
	r.data(1<<20, "b")
	r.data(3<<20, "c")
	if s := r.tr.Session(r.f).Stream[0]; s.MaxRegions != 3 {
		t.Errorf("%d regions", s.MaxRegions)
	}
	r.data(5<<20, "d") // too many
	if r.out.Exceptions&OnReassemblyMemcap == 0 || r.tr.Counters()[CountInsertFail] != 1 {
		t.Error("a fourth region was made")
	}
	r.data(1<<20+1, "B")
	r.ack(1<<20 + 2)
	r.want(toServer, "a"+strings.Repeat("?", 1000)+"bB")
	r.shutdown()
}

func TestMemcap(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Reassembly = mem.NewBudget(5 << 10)
	cfg.PreallocSegments = 0
	r := newRig(t, cfg)
	r.open()
	r.data(0, strings.Repeat("a", 1400))
	if r.out.Exceptions != 0 {
		t.Fatal("no memory for the first segment")
	}
	for i := range 4 {
		r.data(uint32(1400*(i+1)), strings.Repeat("a", 1400))
	}
	if r.out.Exceptions != OnReassemblyMemcap || r.tr.Counters()[CountSegmentMemcap] == 0 {
		t.Errorf("exceptions %v", r.out.Exceptions)
	}
	if u := cfg.Reassembly.Used(); u > 5<<10 {
		t.Errorf("%d bytes used", u)
	}
	r.shutdown()

	cfg.Sessions = mem.NewBudget(10)
	cfg.Reassembly = nil
	r = newRig(t, cfg)
	r.send(pkt{d: toServer, fl: decode.SYN})
	if r.out.Exceptions != OnSessionMemcap || r.tr.Counters()[CountSessionMemcap] != 1 {
		t.Errorf("exceptions %v", r.out.Exceptions)
	}
	r.shutdown()
}
