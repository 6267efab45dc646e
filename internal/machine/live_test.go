//go:build linux

package machine

import (
	"testing"

	"sentinel/qa/live"
)

// What the kernel says of interfaces that the test makes.
func TestHere(t *testing.T) {
	n := live.New(t)
	n.Pair("ma0", "ma1")
	n.Down("ma1")
	m, err := Here().Read()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Interfaces) < 3 {
		t.Fatalf("%d interfaces", len(m.Interfaces))
	}
	lo, up, down := m.Interface("lo"), m.Interface("ma0"), m.Interface("ma1")
	if lo == nil || up == nil || down == nil || m.Interface("ma2") != nil {
		t.Fatal(lo, up, down)
	}
	if lo.Type != "loopback" || lo.Kind != "loopback" || !lo.Up {
		t.Errorf("lo: %+v", lo)
	}
	if up.Type != "ethernet" || up.Kind != "veth" || up.Driver != "veth" || !up.Up || up.MTU != 1500 || up.MAC == "" || up.Queues.RX < 1 || up.Node != -1 {
		t.Errorf("ma0: %+v", up)
	}
	if down.Up || down.Carrier || up.Carrier {
		t.Errorf("ma1 is up: %+v", down)
	}
	// As ethtool -k shows them for a veth: it segments, and cannot do LRO.
	if o, ok := up.Offloads["tso"]; !ok || !o.On || o.Fixed {
		t.Errorf("tso: %+v of %v", o, up.OffloadNames())
	}
	if o, ok := up.Offloads["lro"]; !ok || o.On || !o.Fixed {
		t.Errorf("lro: %+v", o)
	}
	if o := up.Offloads["tx"]; !o.On {
		t.Errorf("tx: %+v", o)
	}
	// The kernel tells since 6.3. A veth never does zero-copy.
	if m.Kernel.AtLeast(6, 3) && (!up.XDP.Known || up.XDP.ZeroCopy) {
		t.Errorf("XDP of ma0: %+v", up.XDP)
	}
	if !up.XDP.Native || up.XDP.Attached != "" {
		t.Errorf("XDP: %+v", up.XDP)
	}
	if m.Kernel.Major < 3 || len(m.CPUs) == 0 || m.Memory.Total == 0 || m.Process.Files == 0 {
		t.Errorf("%+v %+v", m.Kernel, m.CPUs)
	}
}
