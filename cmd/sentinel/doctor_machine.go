package main

import (
	"fmt"
	"slices"
	"strings"

	"sentinel/capture"
	"sentinel/internal/cpulist"
	"sentinel/internal/machine"
)

// memory adds up what is set aside for capturing and what the configuration lets the engine take.
func (d *doctor) memory() {
	const area = "memory"
	limit := d.m.Memory.Total
	if d.m.Memory.Limit > 0 {
		limit = d.m.Memory.Limit
	}
	if limit == 0 {
		return
	}
	rings, caps := d.rings, uint64(0)
	for _, key := range []string{"flow.memcap", "stream.memcap", "stream.reassembly.memcap", "defrag.memcap", "host.memcap", "ippair.memcap", "detect.thresholds.memcap"} {
		if n, err := d.root.Get(key).Size(0); err == nil {
			caps += n
		}
	}
	text := fmt.Sprintf("memcaps let the engine take %s of %s", size(caps), size(limit))
	if rings > 0 {
		text = fmt.Sprintf("rings take %s, and %s", size(rings), text)
	}
	const why = "the kernel ends programs when memory runs out"
	switch {
	case rings > d.m.Memory.Available && d.m.Memory.Available > 0:
		d.fail(area, fmt.Sprintf("rings take %s, and %s are available", size(rings), size(d.m.Memory.Available)), "the kernel refuses them", "lower ring-size or threads")
	case rings+caps > limit:
		d.fail(area, text, why, "lower ring-size or the memcaps")
	case rings+caps > limit/4*3:
		d.warn(area, text, why, "lower ring-size or the memcaps")
	default:
		d.ok(area, "%s", text)
	}
}

// hugePages looks at the memory that DPDK takes.
func (d *doctor) hugePages() {
	const area = "huge pages"
	if n := d.root.Get("dpdk.eal-params.no-huge"); n.Exists() && !n.IsFalse() {
		d.ok(area, "not used: dpdk.eal-params.no-huge")
		return
	}
	var total, free uint64
	perNode := map[int]uint64{}
	for _, n := range d.m.Nodes {
		for _, h := range n.Huge {
			total += h.Total * h.Size
			free += h.Free * h.Size
			perNode[n.Number] += h.Free * h.Size
		}
	}
	const pages = "echo 1024 > /sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages"
	switch {
	case total == 0:
		d.fail(area, "none are reserved", "DPDK puts packets there", fmt.Sprintf(pages, d.m.Nodes[0].Number))
	case free == 0:
		d.fail(area, "all are in use", "DPDK puts packets there", fmt.Sprintf(pages, d.m.Nodes[0].Number)+"   (more than there are now)")
	default:
		d.ok(area, "%s are free", size(free))
	}
	if free > 0 && len(d.m.Kernel.HugeFS) == 0 && !d.root.Get("dpdk.eal-params.in-memory").Exists() {
		d.fail(area, "they are not mounted", "DPDK finds them through a file system", "mount -t hugetlbfs none /dev/hugepages")
	}
	for i := range d.targets {
		at := slices.IndexFunc(d.m.Ports, func(p machine.Port) bool { return p.Address == d.targets[i].Name })
		if at < 0 || free == 0 {
			continue
		}
		if node := d.m.Ports[at].Node; node >= 0 && perNode[node] == 0 {
			d.warn(area, fmt.Sprintf("node %d, where %s is, has none", node, d.targets[i].Name), "packets cross to another node, which costs half the speed", fmt.Sprintf(pages, node))
		}
	}
}

// workerCPUs are the processors that the configuration gives to workers on an interface; nil = it does not say.
func (d *doctor) workerCPUs(name string) []int {
	t := d.root.Get("threading")
	if !t.Get("set-cpu-affinity").IsTrue() {
		return nil
	}
	set := t.Get("cpu-affinity.worker-cpu-set")
	n := set.Get("cpu")
	for _, own := range set.Get("interface-specific-cpu-set").Children() {
		if own.Get("interface").Str("") == name {
			n = own.Get("cpu")
		}
	}
	var all []int
	for _, word := range n.Strings() {
		if word == "all" {
			for _, c := range d.m.CPUs {
				all = append(all, c.Number)
			}
			continue
		}
		all = append(all, machine.ParseList(word)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// place looks at where workers and interrupts of an interface run.
func (d *doctor) place(t *capture.Target, f *machine.Interface) {
	workers := d.workerCPUs(t.Name)
	if len(workers) == 0 {
		return
	}
	before := len(d.findings)
	var interrupts, remote []int
	for _, q := range f.IRQs {
		interrupts = append(interrupts, q.CPUs...)
	}
	slices.Sort(interrupts)
	interrupts = slices.Compact(interrupts)
	home := map[int]bool{}
	for _, n := range workers {
		c := d.m.CPU(n)
		if c == nil {
			continue
		}
		home[n] = true
		if f.Node >= 0 && c.Node >= 0 && c.Node != f.Node {
			remote = append(remote, n)
		}
	}
	if len(remote) > 0 {
		near := ""
		for _, n := range d.m.Nodes {
			if n.Number == f.Node {
				near = cpulist.Format(n.CPUs)
			}
		}
		d.warn(f.Name, fmt.Sprintf("workers on processors %s are not on NUMA node %d, where the card is", cpulist.Format(remote), f.Node),
			"each packet crosses between the nodes", "set threading.cpu-affinity.worker-cpu-set.cpu to processors of "+near)
	}
	// Interrupts on the processors of workers are right where a worker reads the queue of its own processor, and disturb otherwise.
	if len(interrupts) > 0 && t.Get("cluster-type").Str("") != "cluster_qm" && d.sel.Driver != "af-xdp" {
		var both, free []int
		for _, n := range interrupts {
			if home[n] {
				both = append(both, n)
			}
		}
		for _, c := range d.m.CPUs {
			if !home[c.Number] && (f.Node < 0 || c.Node == f.Node) {
				free = append(free, c.Number)
			}
		}
		if len(both) > 0 && len(free) > 0 {
			var mend []string
			for _, q := range f.IRQs {
				mend = append(mend, fmt.Sprintf("echo %s > /proc/irq/%d/smp_affinity_list", cpulist.Format(free), q.Number))
			}
			d.warn(f.Name, "interrupts arrive on processors "+cpulist.Format(both)+", where workers run", "they take turns, and bursts are lost",
				strings.Join(mend, "\n"))
		}
	}
	if len(d.findings) == before {
		d.ok(f.Name, "workers on processors %s are near it", cpulist.Format(workers))
	}
}

// processors looks at the settings of threads.
func (d *doctor) processors() {
	const area = "processors"
	if len(d.m.CPUs) == 0 {
		return
	}
	allowed := 0
	for _, c := range d.m.CPUs {
		if c.Allowed {
			allowed++
		}
	}
	if d.root.Get("threading.set-cpu-affinity").IsTrue() {
		var missing, forbidden []int
		for _, n := range d.workerCPUs("") {
			switch c := d.m.CPU(n); {
			case c == nil:
				missing = append(missing, n)
			case !c.Allowed:
				forbidden = append(forbidden, n)
			}
		}
		if len(missing) > 0 {
			d.fail(area, "there are no processors "+cpulist.Format(missing)+", which worker-cpu-set names", "workers cannot be put there", "correct threading.cpu-affinity")
		}
		if len(forbidden) > 0 {
			d.fail(area, "this process may not run on processors "+cpulist.Format(forbidden)+", which worker-cpu-set names", "workers cannot be put there",
				"widen AllowedCPUs= or CPUAffinity= of the unit, or the cpuset of the container")
		}
	}
	cores := map[[2]int]bool{}
	for _, c := range d.m.CPUs {
		cores[[2]int{c.Package, c.Core}] = true
	}
	d.ok(area, "%s on %s, this process may use %d", plural(len(d.m.CPUs), "thread"), plural(len(cores), "core"), allowed)
}

// goodClocks are the clocks that are read without leaving the program.
var goodClocks = []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource"}

// system looks at limits, BPF and time.
func (d *doctor) system() {
	k, p := &d.m.Kernel, &d.m.Process
	const limits = "limits"
	switch need := uint64(256 + 8*len(d.targets)*max(len(d.m.CPUs), 1)); {
	case p.Files < need:
		d.fail(limits, fmt.Sprintf("%d files may be open, about %d are needed", p.Files, need), "sockets and logs cannot be opened", fmt.Sprintf("ulimit -n %d   (in a unit of systemd: LimitNOFILE=)", max(need, 4096)))
	case p.Files < 1024:
		d.warn(limits, fmt.Sprintf("%d files may be open", p.Files), "stored files and rotated logs need some", "ulimit -n 4096   (in a unit of systemd: LimitNOFILE=)")
	default:
		d.ok(limits, "%s files may be open", limitText(p.Files))
	}
	bpf := d.sel.Driver == "af-xdp"
	locks := bpf && !k.AtLeast(5, 11) || d.sel.Driver == "dpdk"
	if locks && p.LockedMemory < 256<<20 && !p.Has(machine.IPCLock) {
		d.fail(limits, fmt.Sprintf("%s of memory may be locked", size(p.LockedMemory)), "the buffers of "+d.sel.Driver+" are locked memory",
			"ulimit -l unlimited   (in a unit of systemd: LimitMEMLOCK=infinity)")
	}
	if d.sel.Driver == "nfq" && k.ReadBufferMax > 0 && k.ReadBufferMax < 64<<20 && !p.Has(machine.NetAdmin) {
		d.warn(limits, fmt.Sprintf("net.core.rmem_max is %d", k.ReadBufferMax), "bursts are lost between the kernel and the engine", "sysctl -w net.core.rmem_max=67108864")
	}
	if bpf {
		if k.JIT == 0 {
			d.warn("BPF", "programs are interpreted", "XDP is several times slower", "sysctl -w net.core.bpf_jit_enable=1")
		}
		if k.BPFFS == "" {
			d.warn("BPF", "its file system is not mounted", "maps cannot be kept over a restart", "mount -t bpf bpf /sys/fs/bpf")
		}
		if k.JIT != 0 && k.BPFFS != "" {
			d.ok("BPF", "programs are compiled, maps can be kept")
		}
	}
	if !d.live {
		return
	}
	const clock = "time"
	if k.Clock != "" && !slices.Contains(goodClocks, k.Clock) {
		mend := "boot with clocksource=tsc, if the machine's is reliable"
		if slices.Contains(k.Clocks, "tsc") {
			mend = "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource"
		}
		d.warn(clock, "the clock source is "+k.Clock, "each look at the clock is a slow one", mend)
	}
	switch {
	case k.Synchronised == nil:
	case !*k.Synchronised:
		d.warn(clock, "no time server keeps the clock right", "events of several sensors cannot be put in order", "timedatectl set-ntp true")
	default:
		d.ok(clock, "the clock follows a time server")
	}
}

func limitText(n uint64) string {
	if n == machine.Unlimited {
		return "any number of"
	}
	return fmt.Sprint(n)
}
