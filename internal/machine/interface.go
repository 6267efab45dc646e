package machine

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Interface is a network interface.
type Interface struct {
	Name     string `json:"name"`
	Index    int    `json:"index"`
	Type     string `json:"type"`   // ethernet, loopback or other
	Kind     string `json:"kind"`   // physical, or what the kernel calls it, such as veth, bridge, bond
	Driver   string `json:"driver"` // empty = unknown
	Bus      string `json:"bus"`    // address, such as 0000:3b:00.0; empty = it is on none
	Node     int    `json:"numa_node"`
	MAC      string `json:"mac"`
	MTU      int    `json:"mtu"`
	Up       bool   `json:"up"`      // switched on
	Carrier  bool   `json:"carrier"` // there is somebody at the other end
	State    string `json:"state"`   // as the kernel calls it: up, down, unknown, …
	Speed    int    `json:"speed"`   // Mbit/s, -1 = unknown
	Duplex   string `json:"duplex"`  // full, half; empty = unknown
	Master   int    `json:"master"`  // index of the bridge or bond it belongs to, 0 = none
	Queues   Queues `json:"queues"`
	Ring     Ring   `json:"ring"`
	RSS      RSS    `json:"rss"`
	XDP      XDP    `json:"xdp"`
	IRQs     []IRQ  `json:"irqs"`
	Firmware string `json:"firmware,omitempty"`

	// Offloads are what the kernel and the card do to packets, by the names that ethtool -k shows where they are short and the
	// kernel's otherwise. Nil = nobody knows.
	Offloads map[string]Offload `json:"offloads"`
}

// Offload is one kind of work that an interface may take over.
type Offload struct {
	On    bool `json:"on"`
	Fixed bool `json:"fixed"` // it cannot be changed
}

// Queues are numbers of queues; -1 = unknown.
type Queues struct {
	RX          int `json:"rx"`
	TX          int `json:"tx"`
	Combined    int `json:"combined"`     // of those, how many are for both directions
	MaxRX       int `json:"max_rx"`       // that can be switched on, alone
	MaxTX       int `json:"max_tx"`       // the same
	MaxCombined int `json:"max_combined"` // the same
}

// Ring are the sizes of a queue's rings in descriptors; 0 = unknown.
type Ring struct {
	RX    int `json:"rx"`
	TX    int `json:"tx"`
	MaxRX int `json:"max_rx"`
	MaxTX int `json:"max_tx"`
}

// RSS is how a card spreads packets over its queues.
type RSS struct {
	Known     bool     `json:"known"`
	Function  string   `json:"function"` // toeplitz, xor, crc32; empty = unknown
	Key       string   `json:"key"`      // hexadecimal, with colons
	Table     []uint32 `json:"-"`        // queue by hash
	Queues    int      `json:"queues"`   // different queues in the table
	Symmetric bool     `json:"symmetric"`
	Fields    string   `json:"tcp4_fields"` // what is hashed of TCP over IPv4: s and d for addresses, f and n for ports
}

// XDP is what programs for packets can do on an interface.
type XDP struct {
	Known     bool   `json:"known"`  // the kernel was asked; else it is a guess by the driver's name
	Native    bool   `json:"native"` // runs in the driver
	Redirect  bool   `json:"redirect"`
	Transmit  bool   `json:"transmit"`  // takes packets from other interfaces
	ZeroCopy  bool   `json:"zero_copy"` // AF_XDP without a copy
	Offload   bool   `json:"offload"`   // runs in the card
	Fragments bool   `json:"fragments"` // packets in several buffers
	Attached  string `json:"attached"`  // a program is there: native, generic, offloaded; empty = none
	Program   uint32 `json:"program"`   // its number
}

// IRQ is an interrupt of an interface.
type IRQ struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	CPUs   []int  `json:"cpus"` // where it may arrive
}

const netFolder = "sys/class/net"

// interfaces lists the interfaces, by name.
func (s *System) interfaces(ports []Port) ([]Interface, error) {
	var all []Interface
	if s.Links != nil {
		var err error
		if all, err = s.Links(); err != nil {
			return nil, fmt.Errorf("cannot list the interfaces: %w", err)
		}
	} else {
		for _, name := range s.names(netFolder) {
			if s.exists(netFolder, name, "ifindex") {
				all = append(all, Interface{Name: name, Index: int(s.number(0, netFolder, name, "ifindex")), Queues: Queues{RX: -1, TX: -1}})
			}
		}
	}
	names := s.interrupts()
	for i := range all {
		f := &all[i]
		f.Node, f.Speed = -1, -1
		f.Queues.Combined, f.Queues.MaxRX, f.Queues.MaxTX, f.Queues.MaxCombined = -1, -1, -1, -1
		// The files are those of the namespace in which /sys was mounted, which may have another interface of that name.
		if int(s.number(-1, netFolder, f.Name, "ifindex")) == f.Index {
			s.files(f, names)
		}
		if s.Ask != nil {
			s.Ask(f)
		}
		if f.Kind == "" {
			f.Kind = "virtual"
			if f.Bus != "" {
				f.Kind = "physical"
			}
		}
		if !f.XDP.Known {
			f.XDP.guess(f.Driver)
		}
		f.RSS.judge()
	}
	slices.SortFunc(all, func(a, b Interface) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// files reads what sysfs has on an interface.
func (s *System) files(f *Interface, interrupts map[int]string) {
	get := func(name string) string { return s.text(netFolder, f.Name, name) }
	f.MAC, f.State, f.Duplex = get("address"), get("operstate"), get("duplex")
	if f.Duplex == "unknown" {
		f.Duplex = ""
	}
	f.MTU = int(s.number(int64(f.MTU), netFolder, f.Name, "mtu"))
	f.Up = s.number(0, netFolder, f.Name, "flags")&1 != 0
	f.Carrier = get("carrier") == "1"
	if n := s.number(-1, netFolder, f.Name, "speed"); n > 0 && n < 1<<31-1 {
		f.Speed = int(n)
	}
	switch s.number(-1, netFolder, f.Name, "type") {
	case 1:
		f.Type = "ethernet"
	case 772:
		f.Type = "loopback"
	default:
		f.Type = "other"
	}
	if n := len(s.numbered("rx-", netFolder, f.Name, "queues")); n > 0 {
		f.Queues.RX = n
	}
	if n := len(s.numbered("tx-", netFolder, f.Name, "queues")); n > 0 {
		f.Queues.TX = n
	}
	for word, kind := range map[string]string{"bridge": "bridge", "bonding": "bond", "tun_flags": "tun"} {
		if s.exists(netFolder, f.Name, word) {
			f.Kind = kind
		}
	}
	if !s.exists(netFolder, f.Name, "device") {
		return
	}
	f.Driver = s.link(netFolder, f.Name, "device/driver")
	f.Node = int(s.number(-1, netFolder, f.Name, "device/numa_node"))
	device, err := filepath.EvalSymlinks(s.path(netFolder, f.Name, "device"))
	if err != nil {
		return
	}
	f.Bus = filepath.Base(device)
	folder := filepath.Join(device, "msi_irqs")
	if strings.HasPrefix(f.Bus, "virtio") { // a device on a PCI function
		folder = filepath.Join(filepath.Dir(device), "msi_irqs")
		f.Bus = filepath.Base(filepath.Dir(device))
		if n := s.number(-1, netFolder, f.Name, "device/../numa_node"); f.Node < 0 {
			f.Node = int(n)
		}
	}
	rel, err := filepath.Rel(s.path(), folder)
	if err != nil {
		return
	}
	for _, n := range s.numbered("", rel) {
		f.IRQs = append(f.IRQs, IRQ{Number: n, Name: interrupts[n], CPUs: ParseList(s.text("proc/irq", strconv.Itoa(n), "smp_affinity_list"))})
	}
}

// interrupts reads the names of interrupts by their numbers.
func (s *System) interrupts() map[int]string {
	all := map[int]string{}
	for _, line := range strings.Split(s.text("proc/interrupts"), "\n") {
		number, rest, ok := strings.Cut(line, ":")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if f := strings.Fields(rest); ok && err == nil && len(f) > 0 {
			all[n] = f[len(f)-1]
		}
	}
	return all
}

// native are drivers that are known to run XDP programs themselves; true = without a copy for AF_XDP too. It is what is left to go by
// where the kernel cannot be asked (before 6.3).
var native = map[string]bool{
	"i40e": true, "ice": true, "ixgbe": true, "igc": true, "igb": true, "mlx5_core": true, "stmmac": true, "ixgbevf": false,
	"bnxt_en": false, "mlx4_en": false, "mlx4_core": false, "nfp": true, "qede": false, "sfc": false, "thunder-nic": false, "cxgb4": false,
	"virtio_net": false, "veth": false, "tun": false, "ena": false, "hv_netvsc": false, "mana": false, "mvneta": false, "xen-netfront": false,
	"vmxnet3": false, "atlantic": false, "gve": true, "dpaa2-eth": true, "fsl_dpaa2_eth": true,
}

func (x *XDP) guess(driver string) {
	zero, ok := native[driver]
	x.Native, x.Redirect, x.ZeroCopy = ok, ok, zero
}

// judge finds out whether both directions of a flow get the same hash.
func (r *RSS) judge() {
	seen := map[uint32]bool{}
	for _, q := range r.Table {
		seen[q] = true
	}
	r.Queues = len(seen)
	if r.Symmetric {
		return // the card does it itself
	}
	if r.Known && r.Queues == 1 {
		r.Symmetric = true // whatever the hash is
		return
	}
	r.Symmetric = r.Function == "toeplitz" && SymmetricKey(r.Key)
}

// SymmetricKey reports whether Toeplitz hashing with this key gives both directions of a flow the same hash: its 16 bits repeat, so
// that it does not matter which address and which port comes first.
func SymmetricKey(key string) bool {
	part := strings.Split(key, ":")
	if len(part) < 4 {
		return false
	}
	for i := 2; i < len(part); i++ {
		if part[i] != part[i-2] {
			return false
		}
	}
	return strings.Trim(key, "0:") != ""
}

// OffloadNames lists the offloads of an interface in order.
func (f *Interface) OffloadNames() []string {
	all := make([]string, 0, len(f.Offloads))
	for name := range f.Offloads {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}
