package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/capture/afxdp"
	"sentinel/capture/nfqueue"
	"sentinel/capture/pcaplive"
	"sentinel/internal/machine"
)

// driverNeeds are the rights that a way of capturing takes. Without one that is not fatal something does not work.
var driverNeeds = []struct {
	driver string
	right  machine.Capability
	fatal  bool
	why    string
}{
	{"af-packet", machine.NetRaw, true, "no packet socket can be opened"},
	{"af-packet", machine.NetAdmin, false, "promiscuous mode cannot be switched on, nor offloads off"},
	{"pcap", machine.NetRaw, true, "no packet socket can be opened"},
	{"af-xdp", machine.NetAdmin, true, "no XDP program can be attached"},
	{"af-xdp", machine.NetRaw, true, "no AF_XDP socket can be opened"},
	{"af-xdp", machine.BPF, true, "no XDP program can be loaded"},
	{"nfq", machine.NetAdmin, true, "no queue can be read, and no verdict be given"},
	{"nfq", machine.NetRaw, false, "reject can send no packets, and only drops"},
	{"dpdk", machine.IPCLock, true, "memory cannot be locked for the card"},
	{"dpdk", machine.SysAdmin, false, "addresses of memory cannot be found out where there is no IOMMU"},
}

// rights looks whether this process may capture.
func (d *doctor) rights() {
	const area = "rights"
	var missing []string
	fatal := false
	var why string
	p := &d.m.Process
	for _, n := range driverNeeds {
		if n.driver != d.sel.Driver || p.Has(n.right) {
			continue
		}
		// Before 5.8 there was one right for everything of BPF's.
		if n.right == machine.BPF && p.Has(machine.SysAdmin) {
			continue
		}
		missing = append(missing, n.right.String())
		if why == "" || n.fatal && !fatal {
			why = n.why
		}
		fatal = fatal || n.fatal
	}
	if len(missing) == 0 {
		d.ok(area, "enough for %s", d.sel.Driver)
		return
	}
	program, err := os.Executable()
	if err != nil {
		program = "/usr/bin/sentinel"
	}
	f := finding{gradeWarning, area, "missing: " + strings.Join(missing, ", "), why,
		"setcap " + strings.ToLower(strings.Join(missing, ",")) + "+ep " + program + "   (in a unit of systemd: AmbientCapabilities=" + strings.Join(missing, " ") + "), or start it as root"}
	if fatal {
		f.Grade = gradeError
	}
	d.findings = append(d.findings, f)
}

// network looks at an interface that is to be captured from.
func (d *doctor) network(t *capture.Target) {
	f := d.m.Interface(t.Name)
	if f == nil && d.sel.Driver == "pcap" && t.Name == afpacket.Any {
		d.ok(t.Name, "all interfaces")
		d.sources(t, &machine.Interface{Name: t.Name, MTU: 1500})
		return
	}
	if f == nil {
		what := "there is no interface " + t.Name
		if t.Own != nil {
			what = t.Own.Pos() + ": " + what
		}
		var names []string
		for i := range d.m.Interfaces {
			names = append(names, d.m.Interfaces[i].Name)
		}
		d.fail(t.Name, what, "the engine would not start", "name one of: "+strings.Join(names, ", "))
		return
	}
	switch {
	case !f.Up:
		d.fail(f.Name, "it is down", "no packet arrives", "ip link set "+f.Name+" up")
	case !f.Carrier:
		d.warn(f.Name, "it is up and has no link", "no packet arrives until the other end is there", "look at the cable, or at the other end")
	default:
		d.ok(f.Name, "%s", about(f))
	}
	mode, to, err := t.CopyMode()
	if err != nil {
		d.fail(f.Name, err.Error(), "the engine would not start", "")
	}
	inline := mode != "none"
	before := len(d.findings)
	hardware := gradeWarning
	if inline {
		hardware = gradeError // what the card has merged cannot be sent on as it was
	}
	merges := merging
	if d.sel.Driver == "af-xdp" {
		merges = merging[:2] // XDP comes before the kernel's own
	}
	adviseOffloads(&d.findings, f, hardware, merges)
	if d.sel.Driver == "af-xdp" {
		d.xdp(f)
	}
	sources := d.sources(t, f)
	queue := d.sel.Driver == "af-xdp" || t.Get("cluster-type").Str("") == "cluster_qm"
	if queue && sources > 1 {
		adviseRSS(&d.findings, f)
	}
	if inline {
		d.bridge(t, f, to)
	}
	if len(d.findings) == before {
		d.ok(f.Name, "nothing changes its packets")
	}
	d.place(t, f)
}

// Sizes of a ring of AF_PACKET where nothing is configured, and of a place in it.
const (
	ringDefault = 32 << 20
	ringPackets = 8192 // inline
	ringPlace   = 2048
)

// sources checks the settings of a way of capturing, and returns how many sources there will be.
func (d *doctor) sources(t *capture.Target, f *machine.Interface) int {
	t.Log = driverNotes{d, f.Name}
	var o afpacket.Options
	var err error
	switch d.sel.Driver {
	case "af-packet":
		o, err = afpacket.Configure(t)
	case "pcap":
		o, err = pcaplive.Configure(t)
	case "af-xdp":
		var x afxdp.Options
		x, err = afxdp.Configure(t)
		o.Threads = x.Threads
	}
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			d.fail(f.Name, line, "the engine would not start", "")
		}
		return 1
	}
	n := max(o.Threads, 1)
	if d.sel.Driver == "af-xdp" {
		return n
	}
	if o.BlockSize > 0 && o.BlockSize < f.MTU+100 {
		d.fail(f.Name, fmt.Sprintf("block-size %d is less than a packet of MTU %d takes", o.BlockSize, f.MTU), "large packets are lost", "set block-size to a power of two above it")
	}
	one := uint64(ringDefault)
	switch place := uint64(max(ringPlace, f.MTU+128)); {
	case o.Packets > 0:
		one = uint64(o.Packets) * place
	case o.CopyTo != "":
		one = ringPackets * place
	case o.Blocks > 0 || o.BlockSize > 0:
		blocks, size := o.Blocks, o.BlockSize
		if blocks == 0 {
			blocks = 64
		}
		if size == 0 {
			size = 256 << 10
		}
		one = uint64(blocks) * uint64(size)
	}
	d.rings += one * uint64(n)
	return n
}

// largestXDP is the largest MTU that a page holds with what XDP needs besides.
const largestXDP = 3498

// xdp looks at what AF_XDP needs of an interface.
func (d *doctor) xdp(f *machine.Interface) {
	if !d.m.Kernel.AtLeast(4, 18) {
		d.fail(f.Name, "the kernel "+d.m.Kernel.Release+" has no AF_XDP", "it came with Linux 4.18", "use --af-packet, or another kernel")
	}
	if f.XDP.Attached != "" {
		d.fail(f.Name, fmt.Sprintf("XDP program %d is attached already (%s)", f.XDP.Program, f.XDP.Attached), "two programs cannot be attached in the same way",
			"ip link set dev "+f.Name+" xdp off")
	}
	if !f.XDP.Native {
		d.warn(f.Name, "its driver does not run XDP programs", "the kernel does it in generic mode, which is slower than AF_PACKET", "use --af-packet="+f.Name)
	}
	if f.MTU > largestXDP && !f.XDP.Fragments {
		d.fail(f.Name, fmt.Sprintf("its MTU of %d is more than XDP can take in one buffer", f.MTU), "no program can be attached", fmt.Sprintf("ip link set %s mtu %d", f.Name, largestXDP))
	}
	if o := f.Offloads["rxvlan"]; o.On {
		mend := "ethtool -K " + f.Name + " rxvlan off"
		if o.Fixed {
			mend = "use --af-packet=" + f.Name
		}
		d.warn(f.Name, "the card takes VLAN tags out of packets", "XDP does not see them: packets of all VLANs look alike", mend)
	}
}

// bridge looks at the pair of interfaces of an inline bridge.
func (d *doctor) bridge(t *capture.Target, f *machine.Interface, to string) {
	peer := d.m.Interface(to)
	switch {
	case peer == nil:
		d.fail(f.Name, "there is no interface "+to+", which copy-iface names", "the engine would not start", "correct copy-iface")
		return
	case peer == f:
		d.fail(f.Name, "its packets would be copied to itself", "they would go round for ever", "correct copy-iface")
		return
	case peer.MTU < f.MTU:
		d.fail(f.Name, fmt.Sprintf("its MTU is %d, that of %s is %d", f.MTU, to, peer.MTU), "packets that are larger than the other side takes are lost",
			fmt.Sprintf("ip link set %s mtu %d", to, f.MTU))
	}
	if !slices.ContainsFunc(d.targets, func(o capture.Target) bool { return o.Name == to }) {
		d.warn(f.Name, "packets are copied to "+to+", and nothing is copied back", "the other direction is cut",
			"capture from "+to+" too, with copy-iface: "+f.Name)
	}
	if f.Master != 0 {
		d.warn(f.Name, "it belongs to a bridge or bond", "the kernel forwards its packets as well: each arrives twice, and drops have no effect", "ip link set "+f.Name+" nomaster")
	}
	if o := f.Offloads["tso"]; o.On && d.sel.Driver != "af-packet" {
		d.warn(f.Name, "segmentation by the card is on (tso)", "packets of this machine's own come with the card's work still to do", "ethtool -K "+f.Name+" tso off gso off tx off")
	}
}

// queues looks at netfilter's queues.
func (d *doctor) queues() {
	if !d.m.Kernel.Queue {
		d.warn("queues", "/proc/net/netfilter/nfnetlink_queue is not there", "the kernel may lack NFQUEUE", "modprobe nfnetlink_queue")
	}
	for i := range d.targets {
		t := &d.targets[i]
		area := "queue " + t.Name
		t.Log = driverNotes{d, area}
		list, err := nfqueue.Configure(t)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				d.fail(area, line, "the engine would not start", "")
			}
			continue
		}
		taken := false
		for _, o := range list {
			if slices.Contains(d.m.Kernel.QueuesRead, int(o.Queue)) {
				taken = true
				d.fail(area, fmt.Sprintf("another program reads queue %d", o.Queue), "a queue has one reader", "cat /proc/net/netfilter/nfnetlink_queue   shows its port, which is mostly the number of the process")
			}
		}
		if !taken {
			d.ok(area, "free")
		}
		if !list[0].FailOpen {
			d.ok(area, "packets are dropped when the queue is full (nfq.fail-open: no), and when nobody reads it unless the rule has --queue-bypass")
		}
	}
}

// bindings looks at what DPDK is to use.
func (d *doctor) bindings() {
	for i := range d.targets {
		name := d.targets[i].Name
		at := slices.IndexFunc(d.m.Ports, func(p machine.Port) bool { return p.Address == name })
		if strings.HasPrefix(name, "net_") || at < 0 && !strings.Contains(name, ":") {
			d.ok(name, "a device that DPDK makes itself")
			continue
		}
		if at < 0 {
			d.fail(name, "there is no network card at "+name, "the engine would not start", "sentinel interfaces   lists them")
			continue
		}
		switch p := &d.m.Ports[at]; p.DPDK {
		case "bound", "shared":
			d.ok(name, "%s", dpdk(p))
		case "bindable":
			d.fail(name, "it belongs to the kernel's driver "+p.Driver, "DPDK does not see it", "dpdk-devbind.py --bind=vfio-pci "+name)
		default:
			d.fail(name, "it cannot be bound: "+p.Reason, "DPDK does not see it", "")
		}
	}
}
