package machine

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sentinel/internal/cpulist"
)

// made makes a machine of files: a line "path: text", or "path -> target" for a symbolic link. | stands for a new line.
func made(t *testing.T, text string) *System {
	t.Helper()
	root := t.TempDir()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if from, to, ok := strings.Cut(line, " -> "); ok {
			path := filepath.Join(root, from)
			target := filepath.Join(root, to)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(target, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		name, content, _ := strings.Cut(line, ": ")
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "|", "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &System{Root: root}
}

// server has two nodes with two cores each, of which each core has two threads, a card with two queues on node 1, and one bound to
// vfio-pci.
const server = `
proc/sys/kernel/osrelease: 6.1.0-18-amd64
proc/sys/kernel/unprivileged_bpf_disabled: 2
proc/sys/net/core/bpf_jit_enable: 1
proc/sys/net/core/rmem_max: 212992
proc/meminfo: MemTotal:       65806452 kB|MemFree:  1 kB|MemAvailable:   60000000 kB
proc/self/status: Name: x|CapEff:	0000000000003000|Cpus_allowed_list:	0-5|NoNewPrivs:	1
proc/self/limits: Limit                     Soft Limit           Hard Limit           Units|Max open files            1024                 524288               files|Max locked memory         8388608              8388608              bytes|Max address space         unlimited            unlimited            bytes
proc/self/mounts: bpf /sys/fs/bpf bpf rw 0 0|hugetlbfs /dev/hugepages hugetlbfs rw 0 0
proc/self/cgroup: 0::/system.slice/x.service
proc/self/uid_map:          0          0 4294967295
proc/interrupts:            CPU0|  34:   1  0  PCI-MSI  i40e-eth9-TxRx-0|  35:   0  9  PCI-MSI  i40e-eth9-TxRx-1|NMI: 0
proc/irq/34/smp_affinity_list: 2
proc/irq/35/smp_affinity_list: 2-3
sys/fs/cgroup/system.slice/x.service/memory.max: 4294967296
sys/devices/system/clocksource/clocksource0/current_clocksource: hpet
sys/devices/system/clocksource/clocksource0/available_clocksource: tsc hpet acpi_pm
sys/kernel/btf/vmlinux: x
sys/kernel/iommu_groups/17/x: x
sys/devices/system/cpu/online: 0-3,6
sys/devices/system/cpu/isolated: 2-3
sys/devices/system/cpu/cpu0/topology/core_id: 0
sys/devices/system/cpu/cpu0/topology/physical_package_id: 0
sys/devices/system/cpu/cpu0/topology/thread_siblings_list: 0,2
sys/devices/system/cpu/cpu3/topology/core_id: 1
sys/devices/system/cpu/cpu3/topology/physical_package_id: 1
sys/devices/system/cpu/cpu3/topology/thread_siblings_list: 1,3
sys/devices/system/cpu/cpu3/node1/x: x
sys/devices/system/node/node0/cpulist: 0,2
sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages: 0
sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages: 512
sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages: 500
sys/devices/system/node/node1/cpulist: 1,3,6
sys/bus/pci/drivers/vfio-pci/x: x
sys/devices/pci0/0000:3b:00.0/class: 0x020000
sys/devices/pci0/0000:3b:00.0/vendor: 0x8086
sys/devices/pci0/0000:3b:00.0/device: 0x1572
sys/devices/pci0/0000:3b:00.0/numa_node: 1
sys/devices/pci0/0000:3b:00.0/net/eth9/ifindex: 4
sys/devices/pci0/0000:3b:00.0/net/eth9/address: 3c:fd:fe:00:00:01
sys/devices/pci0/0000:3b:00.0/net/eth9/operstate: up
sys/devices/pci0/0000:3b:00.0/net/eth9/carrier: 1
sys/devices/pci0/0000:3b:00.0/net/eth9/flags: 0x1003
sys/devices/pci0/0000:3b:00.0/net/eth9/type: 1
sys/devices/pci0/0000:3b:00.0/net/eth9/mtu: 9000
sys/devices/pci0/0000:3b:00.0/net/eth9/speed: 10000
sys/devices/pci0/0000:3b:00.0/net/eth9/duplex: full
sys/devices/pci0/0000:3b:00.0/net/eth9/queues/rx-0/x: x
sys/devices/pci0/0000:3b:00.0/net/eth9/queues/rx-1/x: x
sys/devices/pci0/0000:3b:00.0/net/eth9/queues/tx-0/x: x
sys/devices/pci0/0000:3b:00.0/msi_irqs/34: msix
sys/devices/pci0/0000:3b:00.0/msi_irqs/35: msix
sys/devices/pci0/0000:3b:00.0/net/eth9/device -> sys/devices/pci0/0000:3b:00.0
sys/devices/pci0/0000:3b:00.0/driver -> sys/bus/pci/drivers/i40e
sys/devices/pci0/0000:3b:00.0/iommu_group -> sys/kernel/iommu_groups/18
sys/devices/pci0/0000:3c:00.0/class: 0x020000
sys/devices/pci0/0000:3c:00.0/driver -> sys/bus/pci/drivers/vfio-pci
sys/devices/pci0/0000:00:01.0/class: 0x010000
sys/bus/pci/devices/0000:3b:00.0 -> sys/devices/pci0/0000:3b:00.0
sys/bus/pci/devices/0000:3c:00.0 -> sys/devices/pci0/0000:3c:00.0
sys/bus/pci/devices/0000:00:01.0 -> sys/devices/pci0/0000:00:01.0
sys/class/net/eth9 -> sys/devices/pci0/0000:3b:00.0/net/eth9
sys/class/net/lo/ifindex: 1
sys/class/net/lo/type: 772
`

func TestRead(t *testing.T) {
	m, err := made(t, server).Read()
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	k := m.Kernel
	check("kernel", []any{k.Major, k.Minor, k.BTF, k.JIT, k.UnprivilegedBPF, k.BPFFS, k.HugeFS, k.Clock, k.VFIO, k.UIO, k.IOMMU, k.ReadBufferMax},
		[]any{6, 1, true, 1, 2, "/sys/fs/bpf", []string{"/dev/hugepages"}, "hpet", true, false, true, int64(212992)})
	if !k.AtLeast(6, 1) || !k.AtLeast(5, 19) || k.AtLeast(6, 2) {
		t.Error("the version is compared wrong")
	}
	check("memory", m.Memory, Memory{Total: 65806452 << 10, Available: 60000000 << 10, Limit: 4 << 30})
	p := m.Process
	check("rights", []bool{p.Has(NetAdmin), p.Has(NetRaw), p.Has(IPCLock), p.UserNamespace, p.NoNewPrivs}, []bool{true, true, false, false, true})
	check("limits", []uint64{p.Files, p.FilesHard, p.LockedMemory, p.AddressSpace, p.RealtimePrio}, []uint64{1024, 524288, 8388608, Unlimited, Unlimited})
	check("processors", len(m.CPUs), 5)
	check("processor 3", *m.CPU(3), CPU{Number: 3, Core: 1, Package: 1, Node: 1, Siblings: []int{1, 3}, Isolated: true, Allowed: true})
	check("processor 6", *m.CPU(6), CPU{Number: 6, Core: -1, Package: -1, Node: -1, Siblings: []int{6}})
	check("nodes", m.Nodes, []Node{{0, []int{0, 2}, []HugePages{{2 << 20, 512, 500}, {1 << 30, 0, 0}}}, {1, []int{1, 3, 6}, nil}})
	f := m.Interface("eth9")
	if f == nil || len(m.Interfaces) != 2 {
		t.Fatalf("%+v", m.Interfaces)
	}
	check("interface", *f, Interface{Name: "eth9", Index: 4, Type: "ethernet", Kind: "physical", Driver: "i40e", Bus: "0000:3b:00.0", Node: 1, MAC: "3c:fd:fe:00:00:01",
		MTU: 9000, Up: true, Carrier: true, State: "up", Speed: 10000, Duplex: "full", Queues: Queues{RX: 2, TX: 1, Combined: -1, MaxRX: -1, MaxTX: -1, MaxCombined: -1},
		XDP: XDP{Native: true, Redirect: true, ZeroCopy: true}, IRQs: []IRQ{{34, "i40e-eth9-TxRx-0", []int{2}}, {35, "i40e-eth9-TxRx-1", []int{2, 3}}}})
	check("port", m.Port(f), &Port{Address: "0000:3b:00.0", ID: "8086:1572", Driver: "i40e", Interfaces: []string{"eth9"}, Node: 1, Group: "18", DPDK: "bindable"})
	check("loopback", m.Interface("lo").Type, "loopback")
	check("functions", len(m.Ports), 2)
	check("bound", m.Ports[1].DPDK, "bound")
}

// A machine of which nothing can be read is no reason to fail.
func TestNothing(t *testing.T) {
	m, err := (&System{Root: t.TempDir()}).Read()
	if err != nil || len(m.Interfaces) != 0 || len(m.CPUs) != 0 || m.Process.Capabilities != 0 || m.Kernel.JIT != -1 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestParseList(t *testing.T) {
	for text, want := range map[string]string{"": "", "0": "0", "0-3,8": "0-3,8", "3,2,1": "3,2,1", "a,1": "1", "5-2,7": "7", "0-99999999": "", " 1 , 2-3 \n": "1-3"} {
		if got := cpulist.Format(ParseList(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The key of Woo and Park ("Scalable TCP Session Monitoring with Symmetric RSS", 2012) against Microsoft's, which cards start with.
func TestSymmetric(t *testing.T) {
	woo := strings.TrimSuffix(strings.Repeat("6d:5a:", 20), ":")
	const microsoft = "6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa"
	for _, c := range []struct {
		name string
		r    RSS
		want bool
	}{
		{"key", RSS{Known: true, Function: "toeplitz", Key: woo, Table: []uint32{0, 1}}, true},
		{"Microsoft's key", RSS{Known: true, Function: "toeplitz", Key: microsoft, Table: []uint32{0, 1}}, false},
		{"other function", RSS{Known: true, Function: "crc32", Key: woo, Table: []uint32{0, 1}}, false},
		{"one queue", RSS{Known: true, Function: "toeplitz", Key: microsoft, Table: []uint32{3, 3}}, true},
		{"by the card", RSS{Known: true, Symmetric: true, Table: []uint32{0, 1}}, true},
		{"no key", RSS{Known: true, Function: "toeplitz", Table: []uint32{0, 1}}, false},
		{"zeros", RSS{Known: true, Function: "toeplitz", Key: "00:00:00:00:00:00", Table: []uint32{0, 1}}, false},
		{"nothing", RSS{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.r.judge(); c.r.Symmetric != c.want {
				t.Errorf("symmetric is %v", c.r.Symmetric)
			}
		})
	}
}
