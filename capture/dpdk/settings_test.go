package dpdk

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"sentinel/capture"
	"sentinel/internal/conf"
)

func configure(t testing.TB, text, name string) (*Settings, error) {
	t.Helper()
	tree, _, err := conf.Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own, def := tree.Get("dpdk.interfaces").Interface(name)
	return Configure(&capture.Target{Name: name, Root: tree.Root(), Own: own, Shared: def, Auto: 2})
}

func TestDefaults(t *testing.T) {
	s, err := configure(t, "dpdk:\n  interfaces:\n    - interface: 0000:3b:00.0\n", "0000:3b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	// As in the reference's run mode: all automatic, MTU 1500, promiscuous, multicast, checksums checked by the card, no VLAN stripping.
	if s.Name != "0000:3b:00.0" || s.Threads != 0 || s.Interrupt || !s.Promisc || !s.Multicast || !s.Checksums || !s.ChecksumOffload || s.VLANStrip ||
		s.MTU != 1500 || s.LinkTimeout != 0 || s.RSS != 0 || s.Mempool != 0 || s.Cache != 0 || s.RxDesc != 0 || s.TxDesc != -1 || s.CopyMode != "none" {
		t.Errorf("%+v", *s)
	}
}

func TestSettings(t *testing.T) {
	s, err := configure(t, `
dpdk:
  interfaces:
    - interface: net_ring0
      threads: 4
      interrupt-mode: true
      promisc: no
      mempool-size: 65535
      rss_hash_functions: 0x1f
      mtu: 9000
    - interface: default
      mtu: 1000
      multicast: off
      checksum-checks: no
      checksum-checks-offload: no
      vlan-strip-offload: yes
      linkup-timeout: 10
      mempool-cache-size: 511
      rx-descriptors: 1024
      tx-descriptors: 512
      rss-hash-functions: auto
      copy-iface: none
`, "net_ring0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Threads != 4 || !s.Interrupt || s.Promisc || s.Multicast || s.Checksums || s.ChecksumOffload || !s.VLANStrip || s.MTU != 9000 || s.LinkTimeout != 10 ||
		s.RSS != 0x1f || s.Mempool != 65535 || s.Cache != 511 || s.RxDesc != 1024 || s.TxDesc != 512 {
		t.Errorf("%+v", *s)
	}
}

// Each wrong value is named with its place, all of them at once.
func TestSettingErrors(t *testing.T) {
	_, err := configure(t, `dpdk:
  interfaces:
    - interface: a
      threads: many
      interrupt-mode: perhaps
      promisc: 7
      multicast: maybe
      checksum-checks: x
      checksum-checks-offload: x
      vlan-strip-offload: x
      mtu: auto
      linkup-timeout: -1
      mempool-size: 0
      mempool-cache-size: 513
      rx-descriptors: 65536
      tx-descriptors: -1
      rss-hash-functions: IPV4
      copy-mode: both
`, "a")
	if err == nil {
		t.Fatal("no error")
	}
	for line, want := range map[int]string{
		4: `threads: "many" is not a number between 1 and 128 or auto`, 5: "interrupt-mode: use yes or no", 6: "promisc: use yes or no", 7: "multicast: use yes or no",
		8: "checksum-checks: use yes or no", 9: "checksum-checks-offload: use yes or no", 10: "vlan-strip-offload: use yes or no",
		11: `mtu: "auto" is not a number between 68 and 9728`, 12: `linkup-timeout: "-1" is not`, 13: `mempool-size: "0" is not`,
		14: `mempool-cache-size: "513" is not a number between 1 and 512 or auto`, 15: `rx-descriptors: "65536" is not`, 16: `tx-descriptors: "-1" is not`,
		17: `rss-hash-functions: "IPV4" is not auto or a number`, 18: `unknown copy-mode "both"`,
	} {
		at := "test.yaml:" + strconv.Itoa(line) + ": "
		if !slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(s string) bool { return strings.HasPrefix(s, at) && strings.Contains(s, want) }) {
			t.Errorf("line %d: no %q in\n%v", line, want, err)
		}
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 15 {
		t.Errorf("%d errors", n)
	}
}

func TestWire(t *testing.T) {
	for _, c := range []struct{ name, a, b, want string }{
		{"fits", "copy-mode: ips, copy-iface: b", "copy-mode: ips, copy-iface: a", ""},
		{"tap", "copy-mode: tap, copy-iface: b, threads: 2", "copy-mode: tap, copy-iface: a, threads: 2", ""},
		{"no interface", "copy-mode: ips", "", "needs copy-iface"},
		{"none", "copy-mode: ips, copy-iface: none", "", "needs a copy-iface"},
		{"itself", "copy-mode: ips, copy-iface: a", "", "the interface itself"},
		{"absent", "copy-mode: ips, copy-iface: c", "", "c is not among dpdk.interfaces"},
		{"one way", "copy-mode: ips, copy-iface: b", "copy-mode: ips, copy-iface: c", `the copy-iface of b is "c" and not a`},
		{"modes", "copy-mode: ips, copy-iface: b", "copy-mode: tap, copy-iface: a", "copy-mode is ips here and tap at the copy-iface b"},
		{"threads", "copy-mode: ips, copy-iface: b, threads: 2", "copy-mode: ips, copy-iface: a, threads: 3", "threads is 2 here and 3"},
		{"mtu", "copy-mode: ips, copy-iface: b", "copy-mode: ips, copy-iface: a, mtu: 9000", "mtu is 1500 here and 9000"},
		{"no sending", "copy-mode: ips, copy-iface: b, tx-descriptors: 0", "copy-mode: ips, copy-iface: a", "needs tx-descriptors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "dpdk:\n  interfaces:\n    - {interface: a, " + c.a + "}\n    - {interface: b"
			if c.b != "" {
				text += ", " + c.b
			}
			_, err := configure(t, text+"}\n", "a")
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "test.yaml:")):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func arguments(t testing.TB, text string) (*EAL, error) {
	t.Helper()
	tree, _, err := conf.Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Arguments(tree.Root())
}

func TestArguments(t *testing.T) {
	e, err := arguments(t, `dpdk:
  eal-params:
    proc-type: primary
    allow: ["0000:3b:00.0", "0000:3b:00.1"]
    vdev:
      - net_bonding0,mode=0,slave=0000:04:00.0,slave=0000:04:00.1
      - net_null0
    n: 4
    file_prefix: ids
    no-huge:
    no-pci: yes
    no-shconf: no
    m: 1024
`)
	if err != nil {
		t.Fatal(err)
	}
	want := "--proc-type primary --allow 0000:3b:00.0 --allow 0000:3b:00.1 --vdev net_bonding0,mode=0,slave=0000:04:00.0,slave=0000:04:00.1 " +
		"--vdev net_null0 -n 4 --file-prefix ids --no-huge --no-pci -m 1024"
	if got := strings.Join(e.Args, " "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if !e.NoHuge || e.Memory != 1024 || e.Prefix != "ids" {
		t.Errorf("%+v", e)
	}
	// One core, so that DPDK makes no threads, and all processors for it, so that it pins none.
	if got := strings.Join(e.complete("0-1", 512), " "); got != want+" --lcores 0@(0-1)" {
		t.Errorf("completed: %s", got)
	}
	if m := e.members("net_bonding0"); !slices.Equal(m, []string{"0000:04:00.0", "0000:04:00.1"}) {
		t.Errorf("members: %v", m)
	}
	if a, ok := e.vdev("net_null0"); a != "" || !ok {
		t.Errorf("net_null0: %q, %v", a, ok)
	}
	if e, err := arguments(t, "dpdk:\n  eal-params:\n    no-huge:\n    l: 0-3\n"); err != nil || strings.Join(e.complete("0-7", 300), " ") != "--no-huge -l 0-3 -m 300" {
		t.Errorf("%v %v", e, err)
	}
	if e, err := arguments(t, "dpdk:\n  interfaces: []\n"); err != nil || len(e.Args) != 0 {
		t.Errorf("nothing: %v %v", e, err)
	}
}

func TestArgumentErrors(t *testing.T) {
	_, err := arguments(t, `dpdk:
  eal-params:
    help:
    nosuch: 1
    no-huge: 5
    proc-type: both
    m: much
    file-prefix: a/b
`)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"test.yaml:3: eal-params: help: this would end the program", "test.yaml:4: eal-params: nosuch: DPDK has no such option",
		"test.yaml:5: eal-params: no-huge: takes no value", `test.yaml:6: eal-params: proc-type: "both"`, `test.yaml:7: eal-params: m: "much"`,
		`test.yaml:8: eal-params: file-prefix: "a/b"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if _, err := arguments(t, "dpdk:\n  eal-params:\n    no-huge:\n    in-memory:\n"); err == nil || !strings.Contains(err.Error(), "test.yaml:4: eal-params: in-memory and no-huge exclude each other") {
		t.Errorf("%v", err)
	}
}

func TestStub(t *testing.T) {
	if Built {
		t.Skip("this build has DPDK")
	}
	tree, _, err := conf.Parse([]byte("dpdk:\n  interfaces:\n    - interface: a\n"), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Driver.Open(&capture.Target{Name: "a", Root: tree.Root()})
	if err == nil || err.Error() != "this build has no DPDK: build with -tags dpdk (libdpdk-dev)" {
		t.Error(err)
	}
}
