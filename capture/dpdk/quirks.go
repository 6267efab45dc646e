package dpdk

import "strings"

// Spread is what brings the packets of a flow, in both directions, to the same queue of a port.
type Spread uint8

// The ways of spreading.
const (
	SpreadSoftware  Spread = iota // nothing does: a hash of ours puts frames into inboxes
	SpreadConfigure               // the card, by key and functions given when it is configured
	SpreadUpdate                  // the card, by key and functions given once it runs
	SpreadFlows                   // the card, by rte_flow rules made once it runs
	SpreadKernel                  // the kernel below the driver
)

var spreadNames = [...]string{"a hash in software", "the card's RSS", "the card's RSS, set once it runs", "the card's RSS, by flow rules", "the kernel"}

// String says who spreads.
func (s Spread) String() string { return spreadNames[s] }

// Losses is where a driver's lost packets are counted.
type Losses uint8

// The places.
const (
	LossesPort   Losses = iota // in the port's statistics
	LossesSocket               // by the packet sockets that the driver has opened: the port says nothing
	LossesNone                 // nowhere
)

// Quirk is what is peculiar to a driver. The first one that fits counts; the last fits all.
type Quirk struct {
	Driver    string // as the port names it; a * at the end stands for anything
	Doc       string
	Spread    Spread
	Functions uint64     // instead of the default or the user's; 0 = those
	Key       int        // bytes of the hash key; 0 = as long as the port says, 40 if it does not
	NoKey     bool       // no key when the port is configured: the flow rules bring it
	Rules     []FlowRule // for SpreadFlows
	Table     bool       // the redirection table is set once the port runs, because the driver leaves it as it was
	MaxDesc   int        // "auto" takes no more descriptors than this; 0 = no limit
	Losses    Losses
	OneQueue  bool // more queues than one do not work
	AllQueues bool // its queues are sources of their own, such as files: all are read
	Paired    bool // as many queues to transmit as to receive
}

// HashFunction is how a card hashes, numbered as in rte_flow.h.
type HashFunction uint32

// The functions.
const (
	HashDefault  HashFunction = 0
	HashToeplitz HashFunction = 1
)

// FlowRule is a rte_flow rule with an RSS action.
type FlowRule struct {
	L3, L4 uint8 // IP version and protocol to match; 0 = any
	Any    bool  // no pattern at all: the rule only names the queues
	Types  uint64
	Func   HashFunction
	Queues bool // the rule names the queues
	Key    int  // bytes of the key in the rule; 0 = none
}

// virtualDesc is enough for drivers whose descriptors are not those of a card: they only size the pool.
const virtualDesc = 4096

// quirks are the drivers that need something of their own. What is said of cards follows Suricata's documentation and code and
// the drivers' guides; none of it was tried on the card. Those of virtual devices are tried by the tests of this package.
var quirks = []Quirk{
	{Driver: "net_ixgbe", Doc: "Intel 82599, X520, X540, X550: hashes addresses only, 40 bytes of key, RSS by one flow rule",
		Spread: SpreadFlows, Functions: rssIPv4 | rssIPv6 | rssIPv6Ex, Key: 40,
		Rules: []FlowRule{{Types: rssIPv4 | rssIPv6, Func: HashDefault, Queues: true, Key: 40}}},
	{Driver: "net_ixgbe_vf", Doc: "virtual functions of the same: RSS is the physical function's, the key is set with the configuration",
		Spread: SpreadConfigure, Functions: rssIPv4 | rssIPv6 | rssIPv6Ex, Key: 40},
	{Driver: "net_i40e", Doc: "Intel X710, XL710, XXV710: no key in the configuration; one rule names the queues, one each per protocol has a 52-byte key",
		Spread: SpreadFlows, Functions: rssFragIPv4 | rssIPv4Other | rssFragIPv6 | rssIPv6Other, NoKey: true, Key: 52, Rules: i40eRules()},
	{Driver: "net_ice", Doc: "Intel E810: 52-byte key in the configuration; flow rules for IPv4 and IPv6 without queues or key",
		Spread: SpreadFlows, Functions: rssIPv4 | rssFragIPv4 | rssIPv4Other | rssIPv6 | rssFragIPv6 | rssIPv6Other, Key: 52,
		Rules: []FlowRule{{L3: 4, Types: rssIPv4, Func: HashToeplitz}, {L3: 6, Types: rssIPv6, Func: HashToeplitz}}},
	{Driver: "net_iavf", Doc: "virtual functions of i40e and ice: 52-byte key in the configuration", Spread: SpreadConfigure,
		Functions: rssFragIPv4 | rssIPv4Other | rssFragIPv6 | rssIPv6Other | rssIPv4 | rssIPv6, Key: 52},
	{Driver: "mlx5_pci", Doc: "NVIDIA ConnectX-4 to -7: 40-byte key, RSS by one flow rule. ConnectX-4 may refuse descriptors on auto: set 16384",
		Spread: SpreadFlows, Key: 40, Rules: []FlowRule{{Types: rssIPv4 | rssIPv6, Func: HashToeplitz, Queues: true, Key: 40}}},
	{Driver: "mlx5_auxiliary", Doc: "the same through an auxiliary bus", Spread: SpreadFlows, Key: 40,
		Rules: []FlowRule{{Types: rssIPv4 | rssIPv6, Func: HashToeplitz, Queues: true, Key: 40}}},
	{Driver: "net_mlx4", Doc: "NVIDIA ConnectX-3: 40-byte key", Spread: SpreadConfigure, Key: 40},
	{Driver: "net_e1000_igb*", Doc: "Intel I350, 82576: hashes addresses only", Spread: SpreadConfigure, Functions: rssIPv4 | rssIPv6 | rssIPv6Ex, Key: 40},
	{Driver: "net_e1000_em", Doc: "Intel e1000, also in virtual machines: one queue", OneQueue: true},
	{Driver: "net_ena", Doc: "Amazon ENA: some generations cannot change key or functions: then the software spreads. The redirection table is set anew",
		Spread: SpreadConfigure, Functions: rssIPv4 | rssFragIPv4 | rssIPv6 | rssFragIPv6 | rssIPv4TCP | rssIPv4UDP | rssIPv6TCP | rssIPv6UDP, Key: 40, Table: true},
	{Driver: "net_netvsc", Doc: "Hyper-V and Azure: 40-byte key; the virtual function below may go and come", Spread: SpreadUpdate, Key: 40, Table: true},
	{Driver: "net_mana", Doc: "Azure MANA: 40-byte key, set before it starts", Spread: SpreadConfigure, Key: 40},
	{Driver: "net_failsafe", Doc: "several devices as one, for those that can be unplugged: RSS as its devices have it. It says it can spread even if they cannot",
		Spread: SpreadSoftware, MaxDesc: virtualDesc},
	{Driver: "net_virtio*", Doc: "KVM: RSS only where the host offers it, 40-byte key", Spread: SpreadConfigure, Key: 40, MaxDesc: virtualDesc},
	{Driver: "net_vmxnet3", Doc: "VMware: 40-byte key", Spread: SpreadConfigure, Key: 40},
	{Driver: "net_bnxt", Doc: "Broadcom NetXtreme: 40-byte key", Spread: SpreadConfigure, Key: 40},
	{Driver: "net_bonding", Doc: "several ports as one: RSS as the driver of its members needs it, and pools for each of them", Spread: SpreadConfigure},

	{Driver: "net_af_packet", Doc: "a kernel interface: the kernel's fanout keeps flows together as long as no queue is full. Losses are counted by its sockets",
		Spread: SpreadKernel, MaxDesc: virtualDesc, Losses: LossesSocket},
	{Driver: "net_af_xdp", Doc: "a kernel interface through AF_XDP: the queues are the card's, spread by a hash that is symmetric only if ethtool has made it so",
		Spread: SpreadSoftware, MaxDesc: virtualDesc},
	{Driver: "net_tap", Doc: "a kernel TAP interface: its RSS is only by flow rules that the kernel may lack", Spread: SpreadSoftware, MaxDesc: virtualDesc, Paired: true},
	{Driver: "net_pcap", Doc: "files and kernel interfaces through libpcap", Spread: SpreadSoftware, MaxDesc: virtualDesc, Losses: LossesNone, AllQueues: true},
	{Driver: "net_null", Doc: "nothing, fast: it takes RSS settings and ignores them", Spread: SpreadSoftware, MaxDesc: virtualDesc, Losses: LossesNone},
	{Driver: "net_ring", Doc: "rings in memory", Spread: SpreadSoftware, MaxDesc: virtualDesc, Losses: LossesNone, AllQueues: true},
	{Driver: "net_memif", Doc: "memory shared with another program", Spread: SpreadSoftware, MaxDesc: virtualDesc},
	{Driver: "net_vhost", Doc: "a virtual machine's interface", Spread: SpreadSoftware, MaxDesc: virtualDesc},

	{Driver: "*", Doc: "any other: RSS by configuration where the port offers it", Spread: SpreadConfigure},
}

// i40eRules are one rule that names the queues and may not name types, and then one for each IP version and transport.
func i40eRules() []FlowRule {
	rules := []FlowRule{{Any: true, Func: HashDefault, Queues: true}}
	for _, v := range []struct {
		l3                    uint8
		other, udp, tcp, sctp uint64
	}{{4, rssIPv4Other, rssIPv4UDP, rssIPv4TCP, rssIPv4SCTP}, {6, rssIPv6Other, rssIPv6UDP, rssIPv6TCP, rssIPv6SCTP}} {
		for _, p := range []struct {
			l4   uint8
			what uint64
		}{{0, v.other}, {17, v.udp}, {6, v.tcp}, {132, v.sctp}} {
			rules = append(rules, FlowRule{L3: v.l3, L4: p.l4, Types: p.what | rssL3Source | rssL3Destination, Func: HashToeplitz, Key: 52})
		}
	}
	return rules
}

// quirkOf returns what is peculiar to a driver.
func quirkOf(driver string) *Quirk {
	for i := range quirks {
		q := &quirks[i]
		if base, any := strings.CutSuffix(q.Driver, "*"); q.Driver == driver || any && strings.HasPrefix(driver, base) {
			return q
		}
	}
	return &quirks[len(quirks)-1]
}
