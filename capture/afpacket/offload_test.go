//go:build linux

package afpacket

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sentinel/qa/live"
)

type lines struct{ all []string }

func (l *lines) Infof(f string, a ...any) { l.all = append(l.all, "info "+fmt.Sprintf(f, a...)) }
func (l *lines) Warnf(f string, a ...any) { l.all = append(l.all, "warn "+fmt.Sprintf(f, a...)) }
func (l *lines) has(text string) bool     { return strings.Contains(strings.Join(l.all, "\n"), text) }

func featureNamed(name string) *feature {
	for i := range features {
		if features[i].name == name {
			return &features[i]
		}
	}
	return nil
}

// Offloads that join packets are warned of, or are off as long as the interface is captured from.
func TestOffloads(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	e, err := newEthtool("b")
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	gro, tso, sg := featureNamed("gro"), featureNamed("tso"), featureNamed("sg")
	if err := e.turn(gro, true); err != nil {
		live.Skip(t, "the interface has no GRO to switch on: %v", err)
	}
	if !e.isOn(gro) || !e.isOn(tso) || !e.isOn(sg) {
		live.Skip(t, "the interface does not have the offloads of this test")
	}
	log := new(lines)
	all, err := Open(Options{Interface: "b", Threads: 2, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if !e.isOn(gro) || !log.has("warn b: the offloads gro are on") || !log.has("ethtool -K b gro off") {
		t.Errorf("left alone: %q", log.all)
	}
	for _, s := range all {
		s.Close()
	}
	log = new(lines)
	if all, err = Open(Options{Interface: "b", Threads: 2, Offloads: OffloadsJoining, Log: log}); err != nil {
		t.Fatal(err)
	}
	if e.isOn(gro) || e.isOn(tso) || e.isOn(sg) || !log.has("offloads switched off until the end: gro tso") || log.has("warn") {
		t.Errorf("switched off: %q", log.all)
	}
	if !e.isOn(featureNamed("tx")) {
		t.Error("checksums are switched off too")
	}
	all[0].Close()
	if e.isOn(gro) {
		t.Error("on again before the last source is closed")
	}
	all[1].Close()
	if !e.isOn(gro) || !e.isOn(tso) || !e.isOn(sg) {
		t.Error("not on again")
	}
}

// What was got is said.
func TestReport(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	n.Pair("c", "small")
	if l, err := netlink.LinkByName("small"); err != nil || netlink.LinkSetMTU(l, 1400) != nil {
		t.Fatal("no smaller MTU")
	}
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{Threads: 2, Promisc: true, ClusterID: 99}, []string{"info b: 2 threads, cluster_flow with defrag, cluster-id 99; TPACKET_V3, 256 blocks of 128 KiB (32 MiB), time-out 10ms a thread",
			"MTU 1500, promiscuous"}},
		{Options{CopyTo: "a"}, []string{"info b: one thread; TPACKET_V2, 8192 slots of 2048 bytes (16 MiB) a thread", "info b: frames are copied to a"}},
		{Options{CopyTo: "small"}, []string{"warn b: frames of more than 1400 bytes cannot be copied to small"}},
		{Options{CopyTo: "a", Ring: Blocks}, []string{"warn b: with tpacket-v3 each frame waits"}},
		{Options{Threads: 2, Cluster: ClusterEBPF}, []string{"2 threads, cluster_ebpf, cluster-id "}},
		{Options{Threads: 2, Cluster: ClusterCPU}, []string{"warn b: cluster_cpu brings packets of one flow to different threads"}},
		{Options{Threads: 2, NoDefrag: true}, []string{"warn b: without defrag, fragments go to another thread than their flow"}},
		{Options{Ring: Plain, Buffer: 1 << 20}, []string{"plain socket with a buffer of 2048 KiB"}}, // the kernel doubles it
		{Options{HardwareTime: true}, []string{"warn b: no timestamps from the card, the kernel's are used"}},
		{Options{Packets: 1000}, []string{"blocks of 128 KiB"}},
		{Options{Ring: Slots, Packets: 1000, Locked: true}, []string{"1024 slots of 2048 bytes"}},
	} {
		log := new(lines)
		c.o.Interface, c.o.Log = "b", log
		all, err := Open(c.o)
		if c.o.Locked && errors.Is(err, unix.EAGAIN) {
			continue // not so much memory may be locked
		}
		if err != nil {
			t.Errorf("%+v: %v", c.o, err)
			continue
		}
		for _, s := range all {
			s.Close()
		}
		for _, w := range c.want {
			if !log.has(w) {
				t.Errorf("%q is not in %q", w, log.all)
			}
		}
	}
}

// Slots have room for a frame of the MTU with two tags, and blocks are not exceeded.
func TestShape(t *testing.T) {
	for _, c := range []struct{ mtu, packets, block int }{{1500, 8192, 0}, {68, 10, 0}, {9000, 100, 0}, {65536, 3, 0}, {1500, 1, 4096}, {9000, 5, 4096}} {
		size, block, blocks, n := shape(c.mtu, c.packets, c.block, 4096)
		if size < slotRoom+c.mtu+14+8 || size%16 != 0 || block%4096 != 0 || size > block || n < c.packets || n != blocks*(block/size) {
			t.Errorf("%+v: slots of %d, %d blocks of %d, %d slots", c, size, blocks, block, n)
		}
	}
}

func TestQueues(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	if q := Queues("a"); q < 1 {
		t.Errorf("%d queues", q)
	}
	if q := Queues("nosuch0"); q != 1 {
		t.Errorf("an interface that is not there has %d queues", q)
	}
}
