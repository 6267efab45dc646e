package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"sentinel/internal/machine"
)

const interfacesUsage = `Usage: sentinel interfaces [--json] [NAME...]

Lists what each network interface of this machine can do, and what to change so that Sentinel sees what is on the wire.
`

// runInterfaces is the subcommand interfaces.
func runInterfaces(args []string, stdout, stderr io.Writer) int {
	args, help := takeFlag(args, "-h", "--help")
	if help {
		_, err := io.WriteString(stdout, interfacesUsage)
		return finish(toStdout(err), stderr)
	}
	args, asJSON := takeFlag(args, "--json")
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			return finish(fmt.Errorf("interfaces: unknown option %s", a), stderr)
		}
	}
	m, err := machine.Here().Read()
	if err != nil {
		return finish(err, stderr)
	}
	for _, name := range args {
		if m.Interface(name) == nil {
			return finish(fmt.Errorf("no interface is called %s", name), stderr)
		}
	}
	if asJSON {
		return finish(toStdout(interfacesJSON(stdout, m, args)), stderr)
	}
	return finish(toStdout(writeInterfaces(stdout, m, args, painter(stdout))), stderr)
}

// describedInterface is an interface with what follows from its facts.
type describedInterface struct {
	*machine.Interface
	ZeroCopy string    `json:"af_xdp_zero_copy"` // yes, no, likely, unlikely
	DPDK     string    `json:"dpdk"`
	Advice   []finding `json:"advice"`
}

func interfacesJSON(w io.Writer, m *machine.Machine, only []string) error {
	type result struct {
		Kernel     machine.Kernel       `json:"kernel"`
		Interfaces []describedInterface `json:"interfaces"`
		Ports      []machine.Port       `json:"pci_network_devices"`
	}
	r := result{Kernel: m.Kernel, Interfaces: []describedInterface{}, Ports: m.Ports}
	for i := range m.Interfaces {
		f := &m.Interfaces[i]
		if len(only) > 0 && !slices.Contains(only, f.Name) {
			continue
		}
		d := describedInterface{Interface: f, ZeroCopy: zeroCopy(&f.XDP), DPDK: "no", Advice: advise(f)}
		if p := m.Port(f); p != nil {
			d.DPDK = p.DPDK
		}
		if d.Advice == nil {
			d.Advice = []finding{}
		}
		r.Interfaces = append(r.Interfaces, d)
	}
	return writeJSON(w, r)
}

// writeInterfaces prints a block for each interface, and a line for each function of a card that has none.
func writeInterfaces(w io.Writer, m *machine.Machine, only []string, p paint) error {
	var b strings.Builder
	for i := range m.Interfaces {
		f := &m.Interfaces[i]
		if len(only) > 0 && !slices.Contains(only, f.Name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  %s\n", p.in("1", f.Name), about(f))
		line := func(what, text string) {
			if text != "" {
				fmt.Fprintf(&b, "  %-9s %s\n", what, text)
			}
		}
		line("queues", queues(f))
		line("offloads", offloads(f))
		line("XDP", xdp(&f.XDP))
		line("DPDK", dpdk(m.Port(f)))
		for _, a := range advise(f) {
			fmt.Fprintf(&b, "  %-9s %s: %s\n", p.in("33", "change"), a.What, a.Why)
			fmt.Fprintf(&b, "  %-9s   %s\n", "", p.in("36", strings.ReplaceAll(a.Mend, "\n", "\n              ")))
		}
	}
	first := true
	for i := range m.Ports {
		if q := &m.Ports[i]; len(q.Interfaces) == 0 && len(only) == 0 {
			if first {
				b.WriteString("\nwithout an interface\n")
			}
			first = false
			driver := q.Driver
			if driver == "" {
				driver = "no driver"
			}
			fmt.Fprintf(&b, "  %s  %s, %s, DPDK: %s\n", q.Address, q.ID, driver, dpdk(q))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func about(f *machine.Interface) string {
	var s []string
	add := func(on bool, format string, args ...any) {
		if on {
			s = append(s, fmt.Sprintf(format, args...))
		}
	}
	add(f.Driver != "", "driver %s", f.Driver)
	add(f.Kind != "physical" && f.Kind != f.Driver, "%s", f.Kind)
	add(f.Bus != "", "%s", f.Bus)
	add(f.Node >= 0, "NUMA node %d", f.Node)
	switch {
	case !f.Up:
		s = append(s, "down")
	case !f.Carrier:
		s = append(s, "up without a link")
	default:
		s = append(s, "up")
	}
	add(f.Speed > 0, "%d Mbit/s", f.Speed)
	add(f.MTU > 0, "MTU %d", f.MTU)
	return strings.Join(s, ", ")
}

func queues(f *machine.Interface) string {
	var s []string
	if f.Queues.RX > 0 {
		n := fmt.Sprintf("%d to receive, %d to send", f.Queues.RX, f.Queues.TX)
		if most := max(f.Queues.MaxCombined, f.Queues.MaxRX); most > f.Queues.RX {
			n += fmt.Sprintf(" (up to %d)", most)
		}
		s = append(s, n)
	}
	if f.Ring.RX > 0 {
		s = append(s, fmt.Sprintf("ring %d of %d", f.Ring.RX, f.Ring.MaxRX))
	}
	if f.RSS.Known && len(f.RSS.Table) > 0 {
		how := "not symmetric"
		if f.RSS.Symmetric {
			how = "symmetric"
		}
		s = append(s, strings.TrimSpace("RSS "+f.RSS.Function)+" "+how)
	}
	if len(f.IRQs) > 0 {
		s = append(s, plural(len(f.IRQs), "interrupt"))
	}
	return strings.Join(s, ", ")
}

// shown are the offloads that matter to those who look at packets.
var shown = []string{"gro", "lro", "rx-gro-hw", "gso", "tso", "rx", "tx", "rxvlan", "txvlan", "rxhash", "ntuple"}

func offloads(f *machine.Interface) string {
	if f.Offloads == nil {
		return ""
	}
	var on, off []string
	for _, name := range shown {
		switch o, ok := f.Offloads[name]; {
		case !ok:
		case o.On:
			on = append(on, name)
		case !o.Fixed:
			off = append(off, name)
		}
	}
	s := "on: none"
	if len(on) > 0 {
		s = "on: " + strings.Join(on, " ")
	}
	if len(off) > 0 {
		s += "; off: " + strings.Join(off, " ")
	}
	return s
}

func zeroCopy(x *machine.XDP) string {
	switch {
	case x.Known && x.ZeroCopy:
		return "yes"
	case x.Known:
		return "no"
	case x.ZeroCopy:
		return "likely"
	}
	return "unlikely"
}

func xdp(x *machine.XDP) string {
	s := "generic only"
	if x.Native {
		s = "native"
	}
	if x.Offload {
		s += ", offloaded"
	}
	if x.Fragments {
		s += ", jumbo frames"
	}
	s += "; AF_XDP zero-copy: " + zeroCopy(x)
	if x.Attached != "" {
		s += fmt.Sprintf("; program %d is attached (%s)", x.Program, x.Attached)
	}
	return s
}

func dpdk(p *machine.Port) string {
	if p == nil {
		return "as net_af_packet or net_af_xdp only: it is no PCI device"
	}
	switch p.DPDK {
	case "bound":
		return "bound to " + p.Driver
	case "shared":
		return "works beside " + p.Driver + ", nothing to bind"
	case "bindable":
		return "can be bound, and is then gone from the kernel: dpdk-devbind.py --bind=vfio-pci " + p.Address
	}
	return "no: " + p.Reason
}

// advise says what to change on an interface whatever it is used for.
func advise(f *machine.Interface) []finding {
	if f.Type != "ethernet" {
		return nil
	}
	var all findings
	if !f.Up {
		all.warn(f.Name, "it is down", "no packet arrives", "ip link set "+f.Name+" up")
	}
	adviseOffloads(&all, f, gradeWarning, merging)
	adviseRSS(&all, f)
	if f.Ring.RX > 0 && f.Ring.RX < f.Ring.MaxRX && f.Kind == "physical" {
		all.warn(f.Name, fmt.Sprintf("the receive ring has %d descriptors of %d", f.Ring.RX, f.Ring.MaxRX), "bursts are lost before the engine sees them",
			fmt.Sprintf("ethtool -G %s rx %d", f.Name, f.Ring.MaxRX))
	}
	return all
}

// merging are the offloads that make one packet of several; those of the card come first.
var merging = []string{"lro", "rx-gro-hw", "gro"}

// adviseOffloads looks for those of some offloads that are on, and change what is seen. hardware is how bad it is of the card.
func adviseOffloads(all *findings, f *machine.Interface, hardware grade, names []string) {
	var on, stuck []string
	worst := gradeWarning
	for _, name := range names {
		o, ok := f.Offloads[name]
		switch {
		case !ok || !o.On:
		case o.Fixed:
			stuck = append(stuck, name)
		default:
			on = append(on, name)
			if name != "gro" {
				worst = hardware
			}
		}
	}
	const why = "packets are merged before the engine sees them: sizes, segments and some headers are not those of the wire"
	if len(on) > 0 {
		*all = append(*all, finding{worst, f.Name, "merging of packets is on (" + strings.Join(on, ", ") + ")", why,
			"ethtool -K " + f.Name + " " + strings.Join(on, " off ") + " off"})
	}
	if len(stuck) > 0 {
		all.warn(f.Name, "merging of packets is on and cannot be switched off ("+strings.Join(stuck, ", ")+")", why, "use another card, or accept it")
	}
}

// adviseRSS looks at how the card spreads flows over queues.
func adviseRSS(all *findings, f *machine.Interface) {
	r := &f.RSS
	if !r.Known || r.Symmetric || r.Queues < 2 {
		return
	}
	n := len(strings.Split(r.Key, ":"))
	if n < 4 {
		n = 40
	}
	key := strings.TrimSuffix(strings.Repeat("6d:5a:", n/2), ":")
	if n%2 == 1 {
		key += ":6d"
	}
	all.warn(f.Name, "RSS is not symmetric over "+plural(r.Queues, "queue"),
		"the directions of a flow go to different queues, and so to different workers where each reads a queue (af-xdp, dpdk, cluster_qm)",
		fmt.Sprintf("ethtool -X %s hkey %s equal %d\nethtool -N %s rx-flow-hash tcp4 sdfn", f.Name, key, r.Queues, f.Name))
}
