package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sentinel"
	"sentinel/capture"
	"sentinel/internal/conf"
	"sentinel/internal/machine"
)

// wire is a card without faults.
func wire(name string) machine.Interface {
	return machine.Interface{Name: name, Index: 2, Type: "ethernet", Kind: "physical", Driver: "ice", Bus: "0000:3b:00.0", Node: 0, MTU: 1500, Up: true,
		Carrier: true, Speed: 10000, Queues: machine.Queues{RX: 2, TX: 2}, XDP: machine.XDP{Known: true, Native: true, Redirect: true, ZeroCopy: true},
		Offloads: map[string]machine.Offload{"gro": {}, "lro": {}, "rx-gro-hw": {}, "tso": {}, "rxvlan": {}},
		RSS:      machine.RSS{Known: true, Queues: 2, Symmetric: true},
		IRQs:     []machine.IRQ{{Number: 34, Name: "ice-0", CPUs: []int{0}}}}
}

// healthy is a machine without faults, with two such cards.
func healthy() *machine.Machine {
	yes := true
	m := &machine.Machine{
		Kernel: machine.Kernel{Release: "6.1.0", Major: 6, Minor: 1, JIT: 1, BPFFS: "/sys/fs/bpf", HugeFS: []string{"/dev/hugepages"}, Clock: "tsc", Synchronised: &yes, Queue: true,
			ReadBufferMax: 212992},
		Memory:  machine.Memory{Total: 16 << 30, Available: 12 << 30},
		Process: machine.Process{Capabilities: 1<<41 - 1, Files: 4096, LockedMemory: 8 << 20},
		Nodes: []machine.Node{{Number: 0, CPUs: []int{0, 1}, Huge: []machine.HugePages{{Size: 2 << 20, Total: 512, Free: 512}}},
			{Number: 1, CPUs: []int{2, 3}, Huge: []machine.HugePages{{Size: 2 << 20}}}},
		Ports: []machine.Port{{Address: "0000:3b:00.0", Driver: "ice", DPDK: "bindable"}, {Address: "0000:3c:00.0", Driver: "vfio-pci", DPDK: "bound", Node: 1}},
	}
	for i := range 4 {
		m.CPUs = append(m.CPUs, machine.CPU{Number: i, Core: i, Node: i / 2, Siblings: []int{i}, Allowed: true})
	}
	m.Interfaces = []machine.Interface{wire("eth0"), wire("eth1")}
	return m
}

func TestDoctor(t *testing.T) {
	const bridge = "af-packet:\n  - interface: eth0\n    copy-mode: ips\n    copy-iface: eth1\n    threads: 1\n  - interface: eth1\n    copy-mode: ips\n    copy-iface: eth0\n    threads: 1\n"
	const pinned = "threading:\n  set-cpu-affinity: yes\n  cpu-affinity:\n    worker-cpu-set:\n      cpu: [ 1 ]\n"
	packet := sentinel.Selection{Driver: "af-packet", Names: []string{"eth0"}}
	queue := sentinel.Selection{Driver: "nfq", Names: []string{"0:1"}}
	for _, c := range []struct {
		name, yaml string
		sel        sentinel.Selection
		harm       func(m *machine.Machine)
		want       string // grade, area, part of what was found and of the remedy; empty = only ok
	}{
		{name: "all is well", sel: packet},
		{name: "all is well inline", yaml: bridge, sel: sentinel.Selection{Driver: "af-packet"}},
		{name: "all is well with queues", sel: queue},
		{name: "no interface", sel: sentinel.Selection{Driver: "af-packet", Names: []string{"eth7"}}, want: "error|eth7|there is no interface eth7|name one of: eth0, eth1"},
		{name: "down", sel: packet, harm: func(m *machine.Machine) { m.Interfaces[0].Up = false }, want: "error|eth0|it is down|ip link set eth0 up"},
		{name: "no link", sel: packet, harm: func(m *machine.Machine) { m.Interfaces[0].Carrier = false }, want: "warning|eth0|no link|cable"},
		{name: "offloads", sel: packet, harm: func(m *machine.Machine) {
			m.Interfaces[0].Offloads["gro"], m.Interfaces[0].Offloads["lro"] = machine.Offload{On: true}, machine.Offload{On: true}
		}, want: "warning|eth0|merging of packets is on (lro, gro)|ethtool -K eth0 lro off gro off"},
		{name: "offloads inline", yaml: bridge, sel: sentinel.Selection{Driver: "af-packet"}, harm: func(m *machine.Machine) {
			m.Interfaces[1].Offloads["lro"] = machine.Offload{On: true}
		}, want: "error|eth1|merging of packets is on (lro)|ethtool -K eth1 lro off"},
		{name: "offload that stays", sel: packet, harm: func(m *machine.Machine) { m.Interfaces[0].Offloads["lro"] = machine.Offload{On: true, Fixed: true} },
			want: "warning|eth0|cannot be switched off (lro)|another card"},
		{name: "rights", sel: packet, harm: func(m *machine.Machine) { m.Process.Capabilities = 0 }, want: "error|rights|missing: CAP_NET_RAW, CAP_NET_ADMIN|setcap cap_net_raw,cap_net_admin+ep"},
		{name: "one right", sel: packet, harm: func(m *machine.Machine) { m.Process.Capabilities = 1 << machine.NetRaw }, want: "warning|rights|missing: CAP_NET_ADMIN|AmbientCapabilities=CAP_NET_ADMIN"},
		{name: "rights for queues", sel: queue, harm: func(m *machine.Machine) { m.Process.Capabilities = 1 << machine.NetRaw }, want: "error|rights|CAP_NET_ADMIN|setcap"},
		{name: "MTU", yaml: bridge, sel: sentinel.Selection{Driver: "af-packet"}, harm: func(m *machine.Machine) { m.Interfaces[0].MTU = 9000 },
			want: "error|eth0|its MTU is 9000, that of eth1 is 1500|ip link set eth1 mtu 9000"},
		{name: "one way", yaml: strings.Split(bridge, "  - interface: eth1")[0], sel: sentinel.Selection{Driver: "af-packet"}, want: "warning|eth0|nothing is copied back|copy-iface: eth0"},
		{name: "no peer", yaml: strings.ReplaceAll(bridge, "eth1", "eth8"), sel: sentinel.Selection{Driver: "af-packet", Names: []string{"eth0"}}, want: "error|eth0|no interface eth8|copy-iface"},
		{name: "settings", yaml: "af-packet:\n  - interface: eth0\n    cluster-type: nonsense\n", sel: packet, want: "error|eth0|c.yaml:5|"},
		{name: "RSS", yaml: "af-packet:\n  - interface: eth0\n    cluster-type: cluster_qm\n    threads: 2\n", sel: packet, harm: func(m *machine.Machine) {
			m.Interfaces[0].RSS = machine.RSS{Known: true, Queues: 2, Key: "aa:bb:cc:dd:ee:ff"}
		}, want: "warning|eth0|RSS is not symmetric|ethtool -X eth0 hkey 6d:5a:6d:5a:6d:5a equal 2"},
		{name: "remote workers", yaml: strings.ReplaceAll(pinned, "[ 1 ]", `[ "1-2" ]`), sel: packet, want: "warning|eth0|processors 2 are not on NUMA node 0|of 0-1"},
		{name: "interrupts", yaml: strings.ReplaceAll(pinned, "[ 1 ]", "[ 0 ]"), sel: packet, want: "warning|eth0|interrupts arrive on processors 0|echo 1 > /proc/irq/34/smp_affinity_list"},
		{name: "workers in place", yaml: pinned, sel: packet},
		{name: "no such processor", yaml: strings.ReplaceAll(pinned, "[ 1 ]", "[ 1, 9 ]"), sel: packet, want: "error|processors|no processors 9|affinity"},
		{name: "forbidden processor", yaml: pinned, sel: packet, harm: func(m *machine.Machine) { m.CPUs[1].Allowed = false }, want: "error|processors|may not run on processors 1|AllowedCPUs"},
		{name: "files", sel: packet, harm: func(m *machine.Machine) { m.Process.Files = 100 }, want: "error|limits|100 files may be open|ulimit -n"},
		{name: "clock", sel: packet, harm: func(m *machine.Machine) { m.Kernel.Clock, m.Kernel.Clocks = "hpet", []string{"tsc", "hpet"} }, want: "warning|time|the clock source is hpet|echo tsc >"},
		{name: "time", sel: packet, harm: func(m *machine.Machine) { no := false; m.Kernel.Synchronised = &no }, want: "warning|time|no time server|timedatectl"},
		{name: "ring", yaml: "af-packet:\n  - interface: eth0\n    ring-size: 1000000\n    threads: 16\n", sel: packet, want: "error|memory|are available|ring-size"},
		{name: "memcaps", yaml: "stream:\n  reassembly:\n    memcap: 20gb\n", sel: packet, want: "error|memory|memcaps let the engine take|memcaps"},
		{name: "container", yaml: "stream:\n  memcap: 400mb\n", sel: packet, harm: func(m *machine.Machine) { m.Memory.Limit = 512 << 20 }, want: "warning|memory|of 512.0 MiB|memcaps"},
		{name: "queue in use", sel: queue, harm: func(m *machine.Machine) { m.Kernel.QueuesRead = []int{1} }, want: "error|queue 0:1|another program reads queue 1|nfnetlink_queue"},
		{name: "queue settings", yaml: "nfq:\n  mode: repeat\n", sel: queue, want: "error|queue 0:1|repeat-mask|"},
		{name: "no queues", sel: queue, harm: func(m *machine.Machine) { m.Kernel.Queue = false }, want: "warning|queues|is not there|modprobe nfnetlink_queue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := examine(t, c.yaml, c.sel, c.harm, func(d *doctor) {
				var err error
				if d.targets, err = sentinel.Targets(d.root, c.sel); err != nil {
					t.Fatal(err)
				}
				d.rights()
				if c.sel.Driver == "nfq" {
					d.queues()
				} else {
					for i := range d.targets {
						d.network(&d.targets[i])
					}
				}
				d.memory()
				d.processors()
				d.system()
			})
			expect(t, d, c.want)
		})
	}
}

// examine lets steps look at a machine that was harmed.
func examine(t *testing.T, yaml string, sel sentinel.Selection, harm func(*machine.Machine), steps func(*doctor)) *doctor {
	t.Helper()
	tree, _, err := conf.Parse([]byte("%YAML 1.1\n---\n"+yaml), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := healthy()
	if harm != nil {
		harm(m)
	}
	d := &doctor{o: &options{}, m: m, root: tree.Root(), sel: sel, live: true}
	steps(d)
	return d
}

func expect(t *testing.T, d *doctor, want string) {
	t.Helper()
	part := strings.Split(want, "|")
	found := want == ""
	for _, f := range d.findings {
		switch {
		case f.Grade == gradeOK:
		case want == "":
			t.Errorf("%+v", f)
		case string(f.Grade) == part[0] && f.Area == part[1] && strings.Contains(f.What, part[2]) && strings.Contains(f.Mend, part[3]):
			found = true
		}
		if f.Grade != gradeOK && f.Why == "" {
			t.Errorf("no reason: %+v", f)
		}
	}
	if !found {
		t.Errorf("want %q, got %+v", want, d.findings)
	}
}

func TestDoctorXDP(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(m *machine.Machine)
		want string
	}{
		{"all is well", func(*machine.Machine) {}, ""},
		{"old kernel", func(m *machine.Machine) { m.Kernel.Major = 4 }, "error|eth0|no AF_XDP|--af-packet"},
		{"attached", func(m *machine.Machine) { m.Interfaces[0].XDP.Attached, m.Interfaces[0].XDP.Program = "native", 7 }, "error|eth0|program 7 is attached|ip link set dev eth0 xdp off"},
		{"generic", func(m *machine.Machine) { m.Interfaces[0].XDP.Native = false }, "warning|eth0|does not run XDP|--af-packet=eth0"},
		{"jumbo", func(m *machine.Machine) { m.Interfaces[0].MTU = 9000 }, "error|eth0|MTU of 9000|mtu 3498"},
		{"VLAN", func(m *machine.Machine) { m.Interfaces[0].Offloads["rxvlan"] = machine.Offload{On: true} }, "warning|eth0|VLAN|ethtool -K eth0 rxvlan off"},
		{"interpreted", func(m *machine.Machine) { m.Kernel.JIT = 0 }, "warning|BPF|interpreted|bpf_jit_enable=1"},
		{"locked memory", func(m *machine.Machine) {
			m.Kernel.Major, m.Kernel.Minor, m.Process.Capabilities = 5, 4, 1<<machine.NetAdmin|1<<machine.NetRaw|1<<machine.SysAdmin
		}, "error|limits|may be locked|ulimit -l"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, examine(t, "", sentinel.Selection{Driver: "af-xdp"}, c.harm, func(d *doctor) {
				d.xdp(&d.m.Interfaces[0])
				d.system()
			}), c.want)
		})
	}
}

func TestDoctorDPDK(t *testing.T) {
	for _, c := range []struct {
		name, target, yaml string
		harm               func(m *machine.Machine)
		want               string
	}{
		{"a device of its own", "net_af_packet0", "", nil, ""},
		{"not bound", "0000:3b:00.0", "", nil, "error|0000:3b:00.0|kernel's driver ice|dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"},
		{"not there", "0000:99:00.0", "", nil, "error|0000:99:00.0|no network card|interfaces"},
		{"no pages", "net_null0", "", func(m *machine.Machine) { m.Nodes[0].Huge = nil }, "error|huge pages|none are reserved|node0/hugepages"},
		{"without pages on purpose", "net_null0", "dpdk:\n  eal-params:\n    no-huge:\n", func(m *machine.Machine) { m.Nodes[0].Huge = nil }, ""},
		{"none on its node", "0000:3c:00.0", "", nil, "warning|huge pages|node 1|node1/hugepages"},
		{"not mounted", "net_null0", "", func(m *machine.Machine) { m.Kernel.HugeFS = nil }, "error|huge pages|not mounted|mount -t hugetlbfs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, examine(t, c.yaml, sentinel.Selection{Driver: "dpdk"}, c.harm, func(d *doctor) {
				d.targets = append(d.targets, capture.Target{Name: c.target})
				d.hugePages()
				d.bindings()
			}), c.want)
		})
	}
}

func TestDoctorPlaces(t *testing.T) {
	dir := t.TempDir()
	busy, stale, file := filepath.Join(dir, "busy"), filepath.Join(dir, "stale"), filepath.Join(dir, "file")
	l, err := net.Listen("unix", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{busy: "error|control socket|another program answers|unix-command.filename", stale: "", file: "error|control socket|is no socket|mv",
		filepath.Join(dir, "free"): "", filepath.Join(dir, "no", "socket"): "warning|control socket|no such file|mkdir -p"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			expect(t, examine(t, "unix-command:\n  enabled: yes\n  filename: "+path+"\n", sentinel.Selection{}, nil, (*doctor).socket), want)
		})
	}
	for yaml, want := range map[string]string{"": "", "run-as:\n  user: root\n  group: root\n": "", "run-as:\n  user: nosuchuser\n": "error|user|no user nosuchuser|useradd",
		"run-as:\n  group: nosuchgroup\n": "error|user|no group nosuchgroup|groupadd"} {
		t.Run("user", func(t *testing.T) { expect(t, examine(t, yaml, sentinel.Selection{}, nil, (*doctor).user), want) })
	}
	for home, want := range map[string]string{dir: "", filepath.Join(dir, "none"): "error|logs|no such file|mkdir -p", file: "error|logs|not a folder|-l"} {
		t.Run("logs", func(t *testing.T) {
			d := examine(t, "", sentinel.Selection{}, nil, func(d *doctor) { d.home = home; d.logs() })
			if want == "" && d.count(gradeError) == 0 { // the disk of the machine may be full
				return
			}
			expect(t, d, want)
		})
	}
}

func TestWriteInterfaces(t *testing.T) {
	m := healthy()
	m.Interfaces[0].Offloads["gro"] = machine.Offload{On: true}
	m.Interfaces[0].Ring = machine.Ring{RX: 512, MaxRX: 4096}
	var b bytes.Buffer
	if err := writeInterfaces(&b, m, nil, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"eth0  driver ice, 0000:3b:00.0, NUMA node 0, up, 10000 Mbit/s, MTU 1500\n", "ring 512 of 4096", "on: gro; off: lro rx-gro-hw tso rxvlan\n",
		"native; AF_XDP zero-copy: yes\n", "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0\n", "ethtool -K eth0 gro off\n", "ethtool -G eth0 rx 4096\n",
		"without an interface\n", "0000:3c:00.0", "bound to vfio-pci\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("there are colours")
	}
	b.Reset()
	if err := interfacesJSON(&b, m, []string{"eth0"}); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Interfaces []struct {
			Name     string `json:"name"`
			ZeroCopy string `json:"af_xdp_zero_copy"`
			DPDK     string `json:"dpdk"`
			Advice   []struct {
				Mend string `json:"mend"`
			} `json:"advice"`
		} `json:"interfaces"`
	}
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Interfaces) != 1 || r.Interfaces[0].Name != "eth0" || r.Interfaces[0].ZeroCopy != "yes" || r.Interfaces[0].DPDK != "bindable" || len(r.Interfaces[0].Advice) != 2 {
		t.Errorf("%+v", r)
	}
}
