package sentinel

import (
	"reflect"
	"sentinel/capture"
	"sentinel/capture/afpacket"
	"testing"

	"sentinel/detect"
)

func TestTally(t *testing.T) {
	a1 := &detect.Meta{GID: 1, SID: 1, Rev: 1, Msg: "old"}
	a2 := &detect.Meta{GID: 1, SID: 1, Rev: 2, Msg: "new"} // the same signature after a reload
	b := &detect.Meta{GID: 1, SID: 2, Rev: 7, Msg: "b"}
	c := &detect.Meta{GID: 3, SID: 1, Rev: 1, Msg: "c"}
	n := tally{}
	n.add([]detect.Alert{{Rule: a1}, {Rule: b}, {Rule: c}})
	n.add([]detect.Alert{{Rule: a2}, {Rule: a1}})
	n.add(nil)
	want := []SignatureCount{{1, 1, 2, "new", 3}, {1, 2, 7, "b", 1}, {3, 1, 1, "c", 1}}
	if got := n.list(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestKeySet(t *testing.T) {
	s := newKeySet([]string{"a.b", "c"}, []string{"p.*.enabled"})
	for path, want := range map[string]bool{
		"a": false, "a.b": true, "a.b.c": true, "a.bc": false, "c": true, "c.d.e": true, "p.x": false, "p.x.enabled": true,
		"p.x.enabled.deep": true, "p.x.other": false, "p.enabled": false, "": false,
	} {
		if got := s.has(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

func TestAFPacketOptions(t *testing.T) {
	config := `%YAML 1.1
---
af-packet:
  - interface: eth7
    threads: 3
    cluster-id: 42
    cluster-type: cluster_qm
    defrag: no
    block-size: 65536
    tpacket-v3: yes
    ring-size: 4096
    block-timeout: 20
    disable-promisc: yes
    copy-mode: ips
    copy-iface: eth8
    bpf-filter: tcp port 80
  - interface: eth9
  - interface: eth10
    cluster-type: sideways
    copy-mode: ips
    bpf-filter: nonsense
  - interface: default
    cluster-id: 77
    threads: 2
`
	e, err := New(Options{Config: []byte(config), NoLogs: true, NoDetection: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	targets := func(names ...string) []capture.Target {
		sel := Selection{Driver: "af-packet", Names: names}
		_, list, err := sel.targets(e.tree.Root())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	options := func(name string) (afpacket.Options, error) { return afpacket.Configure(&targets(name)[0]) }
	var names []string
	for _, x := range targets() {
		names = append(names, x.Name)
	}
	if want := []string{"eth7", "eth9", "eth10"}; !reflect.DeepEqual(names, want) {
		t.Errorf("interfaces %v", names)
	}
	if !Inline(e.tree.Root(), Selection{Driver: "af-packet"}) || Inline(e.tree.Root(), Selection{Driver: "af-packet", Names: []string{"eth9"}}) {
		t.Error("inline is not told from passive")
	}
	if _, err := e.Open(Selection{Driver: "carrier-pigeon"}); err == nil {
		t.Error("an unknown driver is opened")
	}
	o, err := options("eth7")
	if err != nil {
		t.Fatal(err)
	}
	if o.Interface != "eth7" || o.Threads != 3 || o.ClusterID != 42 || o.Cluster.String() != "cluster_qm" || !o.NoDefrag || o.BlockSize != 65536 ||
		o.Packets != 4096 || o.BlockTimeout.Milliseconds() != 20 || o.Promisc || o.CopyTo != "eth8" || o.Filter == "" || o.Ring != afpacket.Blocks {
		t.Errorf("eth7: %+v", o)
	}
	if o, err = options("eth9"); err != nil || o.Threads != 2 || o.ClusterID != 77 || !o.Promisc || o.NoDefrag || o.CopyTo != "" {
		t.Errorf("eth9: %+v, %v", o, err)
	}
	if o, err = options("eth11"); err != nil || o.ClusterID != 77 {
		t.Errorf("an interface without an element: %+v, %v", o, err)
	}
	if _, err = options("eth10"); err == nil {
		t.Error("eth10: wrong values are accepted")
	}
}
