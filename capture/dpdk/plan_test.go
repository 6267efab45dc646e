package dpdk

import (
	"bytes"
	"strings"
	"testing"
)

func settings() *Settings {
	return &Settings{Name: "p", Promisc: true, Multicast: true, Checksums: true, ChecksumOffload: true, MTU: 1500, TxDesc: -1, CopyMode: "none"}
}

// limits are those of a card with much, such as an X710.
func limits(driver string) *Limits {
	return &Limits{Driver: driver, RxQueues: 64, TxQueues: 64, RxMax: 4096, TxMax: 4096, MinMTU: 68, MaxMTU: 9710, RSS: rssIP | rssPorts,
		RxOffloads: rxChecksum | rxVLANStrip | rxRSSHash, TxOffloads: txMultiSegs, RedirectionSize: 128}
}

// The numbers are those of Suricata's user guide: the greatest power of two of descriptors; pools of 2^n-1 buffers for all of them; a cache
// that divides its pool, of at most 512 and two thirds of it; buffers of whole KiB with a headroom of 128 bytes. Only where no such cache
// would hold a burst of 32 it is one of 256 that does not divide the pool: 8191 is prime.
func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name                                   string
		set                                    func(*Settings, *Limits)
		lanes, rxq, txq, rxd, txd, pool, cache int
		buffer                                 int
	}{
		{"defaults", func(*Settings, *Limits) {}, 4, 4, 0, 4096, 0, 8191, 256, 2176},
		{"no power of two", func(s *Settings, l *Limits) { l.RxMax = 5000 }, 4, 4, 0, 4096, 0, 8191, 256, 2176},
		{"inline", func(s *Settings, l *Limits) { s.CopyMode = "ips" }, 4, 4, 4, 4096, 4096, 16383, 381, 2176},
		{"transmit for nothing", func(s *Settings, l *Limits) { s.TxDesc = 512; s.RxDesc = 1024 }, 4, 4, 4, 1024, 512, 4095, 455, 2176},
		{"jumbo", func(s *Settings, l *Limits) { s.MTU = 9000; s.RxDesc = 512 }, 4, 4, 0, 512, 0, 2047, 89, 9344},
		// The user guide: 65536 of 4 threads are pools of 16383.
		{"given", func(s *Settings, l *Limits) { s.Mempool = 65536 }, 4, 4, 0, 4096, 0, 16383, 381, 2176},
		{"given, not a power", func(s *Settings, l *Limits) { s.Mempool = 65000 }, 4, 4, 0, 4096, 0, 8191, 256, 2176},
		{"cache given", func(s *Settings, l *Limits) { s.Cache = 256 }, 4, 4, 0, 4096, 0, 8191, 256, 2176},
		{"few queues", func(s *Settings, l *Limits) { l.RxQueues = 2 }, 2, 2, 0, 4096, 0, 8191, 256, 2176},
		{"a bond of two", func(s *Settings, l *Limits) { l.Bond = 2 }, 4, 4, 0, 4096, 0, 16383, 381, 2176},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, l := settings(), limits("net_bnxt")
			c.set(s, l)
			p, err := plan(s, l, 4, false)
			if err != nil {
				t.Fatal(err)
			}
			if p.Lanes != c.lanes || p.RxQueues != c.rxq || p.TxQueues != c.txq || p.RxDesc != c.rxd || p.TxDesc != c.txd || p.Pool != c.pool ||
				p.Buffer != c.buffer || p.Pools != c.rxq || p.Inbox != 0 {
				t.Errorf("%+v", *p)
			}
			if p.Cache != c.cache || p.Cache > 512 || p.Cache*3/2 > p.Pool || c.cache != 256 && p.Cache != greatest(p.Pool) {
				t.Errorf("cache %d of %d", p.Cache, p.Pool)
			}
		})
	}
}

// greatest looks for the cache size the long way.
func greatest(pool int) (best int) {
	for d := 1; d <= 512 && d*3 <= pool*2; d++ {
		if pool%d == 0 {
			best = d
		}
	}
	return best
}

func TestPlanErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Settings, *Limits)
		want string
	}{
		{"threads", func(s *Settings, l *Limits) { s.Threads = 5; l.RxQueues = 4 }, "too many threads: the port has 4 receive queues"},
		{"transmit queues", func(s *Settings, l *Limits) { l.TxQueues = 0; s.CopyMode = "tap" }, "copy-mode tap: the port has no transmit queue"},
		{"mtu", func(s *Settings, l *Limits) { s.MTU = 9711 }, "mtu 9711: the port takes 68 to 9710"},
		{"mtu too small", func(s *Settings, l *Limits) { l.MinMTU = 1600 }, "mtu 1500"},
		{"descriptors", func(s *Settings, l *Limits) { s.RxDesc = 4097 }, "rx-descriptors 4097: the port takes up to 4096"},
		{"transmit descriptors", func(s *Settings, l *Limits) { s.TxDesc = 4097 }, "tx-descriptors 4097: the port takes up to 4096"},
		// A pool each of 4 queues must hold 4096 descriptors and one more.
		{"pool", func(s *Settings, l *Limits) { s.Mempool = 8191 }, "mempool-size 8191 is too small for 4 queues with 4096 descriptors: use auto, or 32767"},
		{"cache", func(s *Settings, l *Limits) { s.RxDesc = 64; s.Mempool = 127 * 4; s.Cache = 100 }, "mempool-cache-size 100 is more than two thirds of a pool of 127"},
		{"no queue", func(s *Settings, l *Limits) { l.RxQueues = 0 }, "no receive queue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, l := settings(), limits("net_bnxt")
			c.set(s, l)
			for _, key := range []string{"threads", "mtu", "rx-descriptors", "tx-descriptors", "copy-mode", "mempool-size", "mempool-cache-size"} {
				if s.at == nil {
					s.at = map[string]string{}
				}
				s.at[key] = "x.yaml:7"
			}
			if _, err := plan(s, l, 4, false); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.yaml:7: dpdk interface p: ") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Where nothing below spreads by flow, or the other side of the wire is spread by software, software does.
func TestPlanSpread(t *testing.T) {
	for _, c := range []struct {
		name   string
		driver string
		set    func(*Settings, *Limits)
		soft   bool
		want   Spread
		lanes  int
		queues int
		inbox  bool
	}{
		{"a card", "net_bnxt", func(*Settings, *Limits) {}, false, SpreadConfigure, 4, 4, false},
		{"a card beside software", "net_bnxt", func(*Settings, *Limits) {}, true, SpreadSoftware, 4, 4, true},
		{"a card without RSS", "net_virtio", func(s *Settings, l *Limits) { l.RSS = 0 }, false, SpreadSoftware, 4, 4, true},
		{"one queue", "net_vmxnet3", func(s *Settings, l *Limits) { l.RxQueues = 1 }, false, SpreadSoftware, 4, 1, true},
		{"e1000", "net_e1000_em", func(*Settings, *Limits) {}, false, SpreadSoftware, 4, 1, true},
		{"one thread", "net_bnxt", func(s *Settings, l *Limits) { s.Threads = 1 }, false, SpreadConfigure, 1, 1, false},
		{"i40e", "net_i40e", func(*Settings, *Limits) {}, false, SpreadFlows, 4, 4, false},
		{"null", "net_null", func(*Settings, *Limits) {}, false, SpreadSoftware, 4, 4, true},
		{"kernel", "net_af_packet", func(s *Settings, l *Limits) { l.RxQueues = 4; l.RSS = 0 }, false, SpreadKernel, 4, 4, false},
		{"kernel, one queue", "net_af_packet", func(s *Settings, l *Limits) { l.RxQueues = 1; l.RSS = 0 }, false, SpreadSoftware, 4, 1, true},
		{"files", "net_pcap", func(s *Settings, l *Limits) { l.RxQueues = 2; s.Threads = 1 }, false, SpreadSoftware, 1, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, l := settings(), limits(c.driver)
			c.set(s, l)
			p, err := plan(s, l, 4, c.soft)
			if err != nil {
				t.Fatal(err)
			}
			if p.Spread != c.want || p.Lanes != c.lanes || p.RxQueues != c.queues || (p.Inbox > 0) != c.inbox {
				t.Errorf("%v, %d lanes, %d queues, inbox %d", p.Spread, p.Lanes, p.RxQueues, p.Inbox)
			}
			hw := p.Lanes > 1 && (p.Spread == SpreadConfigure || p.Spread == SpreadFlows)
			if (p.Functions != 0) != hw || p.HashUsable != hw {
				t.Errorf("functions %#x, hash usable: %v", p.Functions, p.HashUsable)
			}
			if p.Inbox > 0 && p.Pool < p.RxDesc+p.Lanes*(p.Inbox-1) {
				t.Errorf("a pool of %d for %d inboxes of %d", p.Pool, p.Lanes, p.Inbox)
			}
		})
	}
}

// The values of each driver follow Suricata 9.0's code and guide: util-dpdk-*.c, runmode-dpdk.c, capture-hardware/dpdk.rst.
func TestQuirks(t *testing.T) {
	const all = rssIP | rssPorts
	for _, c := range []struct {
		driver    string
		spread    Spread
		functions uint64
		key       int // in the configuration
		rules     int
		ruleKey   int // in the last rule
		queues    bool
	}{
		{"net_ixgbe", SpreadFlows, rssIPv4 | rssIPv6 | rssIPv6Ex, 40, 1, 40, true},
		{"net_i40e", SpreadFlows, rssFragIPv4 | rssIPv4Other | rssFragIPv6 | rssIPv6Other, 0, 9, 52, false},
		{"net_ice", SpreadFlows, rssIPv4 | rssFragIPv4 | rssIPv4Other | rssIPv6 | rssFragIPv6 | rssIPv6Other, 52, 2, 0, false},
		{"mlx5_pci", SpreadFlows, rssIP, 40, 1, 40, true},
		{"net_e1000_igb", SpreadConfigure, rssIPv4 | rssIPv6 | rssIPv6Ex, 40, 0, 0, false},
		{"net_e1000_igb_vf", SpreadConfigure, rssIPv4 | rssIPv6 | rssIPv6Ex, 40, 0, 0, false},
		{"net_ena", SpreadConfigure, rssIPv4 | rssFragIPv4 | rssIPv6 | rssFragIPv6 | rssIPv4TCP | rssIPv4UDP | rssIPv6TCP | rssIPv6UDP, 40, 0, 0, false},
		{"net_netvsc", SpreadUpdate, rssIP, 40, 0, 0, false},
		{"net_mana", SpreadConfigure, rssIP, 40, 0, 0, false},
		{"net_virtio_user", SpreadConfigure, rssIP, 40, 0, 0, false},
		{"net_whatever", SpreadConfigure, rssIP, 40, 0, 0, false},
	} {
		t.Run(c.driver, func(t *testing.T) {
			l := limits(c.driver)
			p, err := plan(settings(), l, 4, false)
			if err != nil {
				t.Fatal(err)
			}
			if p.Spread != c.spread || p.Functions != c.functions&all || len(p.Key) != c.key || len(p.Quirk.Rules) != c.rules {
				t.Errorf("%v, functions %#x, key of %d, %d rules", p.Spread, p.Functions, len(p.Key), len(p.Quirk.Rules))
			}
			if c.rules > 0 {
				if last := p.Quirk.Rules[c.rules-1]; last.Key != c.ruleKey || last.Queues != c.queues {
					t.Errorf("%+v", last)
				}
			}
			if p.Quirk.Doc == "" {
				t.Error("not described")
			}
		})
	}
	r := quirkOf("net_i40e").Rules
	if !r[0].Any || r[0].Types != 0 || !r[0].Queues || r[0].Key != 0 {
		t.Errorf("the first rule of i40e names the queues and nothing else: %+v", r[0])
	}
	for _, f := range r[1:] {
		if f.Types&(rssL3Source|rssL3Destination) != rssL3Source|rssL3Destination || f.Queues || f.Func != HashToeplitz || f.L3 == 0 {
			t.Errorf("%+v", f)
		}
	}
	for i, q := range quirks[:len(quirks)-1] {
		if quirkOf(strings.TrimSuffix(q.Driver, "*")) != &quirks[i] {
			t.Errorf("%s is behind one that fits it too", q.Driver)
		}
	}
}

// A user's functions are taken where the driver has none of its own, and cut to what the port can.
func TestUserFunctions(t *testing.T) {
	s, l := settings(), limits("net_bnxt")
	s.RSS, l.RSS = rssIPv4|rssIPv4TCP|rssIPv6, rssIPv4|rssIPv6
	p, err := plan(s, l, 2, false)
	if err != nil || p.Functions != rssIPv4|rssIPv6 || len(p.Notes) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if p.Software != rssIPv4TCP {
		t.Errorf("software hashes %#x", p.Software)
	}
}

// toeplitz is the hash as in Microsoft's specification of receive side scaling.
func toeplitz(key, data []byte) (h uint32) {
	for i := range len(data) * 8 {
		if data[i/8]&(0x80>>(i%8)) != 0 {
			var window uint32
			for b := range 32 {
				at := i + b
				window = window<<1 | uint32(key[at/8]>>(7-at%8)&1)
			}
			h ^= window
		}
	}
	return h
}

func TestSymmetricKey(t *testing.T) {
	// The specification's first vector, so that the hash of this test is the one of the cards.
	ms := []byte{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
		0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa}
	if h := toeplitz(ms, []byte{66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6}); h != 0x51ccc178 {
		t.Fatalf("the test's own hash is wrong: %#x", h)
	}
	for _, n := range []int{40, 52} {
		k := symmetricKey(n)
		if len(k) != n || k[0] != 0x6d || k[1] != 0x5a || k[n-1] != 0x5a {
			t.Fatalf("%x", k)
		}
		a := []byte{66, 9, 149, 187, 161, 142, 100, 80, 10, 234, 6, 230}
		b := []byte{161, 142, 100, 80, 66, 9, 149, 187, 6, 230, 10, 234}
		if toeplitz(k, a) != toeplitz(k, b) || toeplitz(k, a) == toeplitz(k, bytes.Repeat([]byte{1}, 12)) {
			t.Errorf("%d bytes: not symmetric", n)
		}
		v6a := append(bytes.Repeat([]byte{0x20, 1, 0xd, 0xb8}, 4), bytes.Repeat([]byte{0xfe, 0x80, 7, 3}, 4)...)
		v6b := append(bytes.Repeat([]byte{0xfe, 0x80, 7, 3}, 4), bytes.Repeat([]byte{0x20, 1, 0xd, 0xb8}, 4)...)
		if toeplitz(k, v6a) != toeplitz(k, v6b) {
			t.Errorf("%d bytes: not symmetric for IPv6", n)
		}
	}
	if len(symmetricKey(1000)) != maxKey || len(symmetricKey(-1)) != 0 {
		t.Error("lengths have no bounds")
	}
}
