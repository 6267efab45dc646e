package xdp

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Mode is where the program runs.
type Mode uint8

// The modes.
const (
	Auto    Mode = iota // native, or generic where the driver cannot
	Native              // in the driver, before the kernel has made a packet of the frame: "driver"
	Generic             // in the stack, on every interface, slower: "soft" or "skb"
	Offload             // on the card: "hw"
)

// String names the mode.
func (m Mode) String() string {
	switch m {
	case Native:
		return "native"
	case Generic:
		return "generic"
	case Offload:
		return "offload"
	}
	return "auto"
}

// Options say what a user of an interface needs of the program. What is 0 is switched off.
type Options struct {
	Interface  string
	Mode       Mode
	Sockets    int    // queues that sockets may be bound to
	Flows      int    // entries for flows of IPv4, and as many for IPv6; a flow takes two
	Hosts      int    // single addresses to be dropped, of each family; the longest unseen one makes room
	Networks   int    // networks to be dropped, of each family
	Peer       string // interface that flows with Redirect leave by
	IgnoreVLAN bool   // VLAN ids of a flow's key are 0, whatever the frames say
}

// Program is the program on one interface. Its methods may be called from any goroutine.
type Program struct {
	at place

	mu       sync.Mutex
	users    int
	opts     Options // of all users together
	objs     objectObjects
	link     link.Link
	mode     Mode
	fallback string
	frags    bool
	slots    *Slots
}

// place is an interface in its network namespace.
type place struct {
	namespace uint64
	index     int
}

// programs are those of this process. The lock is held while one comes or goes.
var programs = struct {
	sync.Mutex
	at map[place]*Program
}{at: map[place]*Program{}}

// Attach loads the program and puts it on an interface. It is Share: the second user gets the first one's program, with what it
// needs in addition. Each user closes it once.
func Attach(o Options) (*Program, error) { return Share(o) }

// Share puts the program on an interface, or adds to the one that this process has put there.
func Share(o Options) (*Program, error) {
	at, err := find(o.Interface)
	if err != nil {
		return nil, err
	}
	programs.Lock()
	defer programs.Unlock()
	if p := programs.at[at]; p != nil {
		if err := p.extend(o); err != nil {
			return nil, err
		}
		p.users++
		return p, nil
	}
	// Kernels before 5.11 count maps against the limit of locked memory. Where this fails it is not needed, or loading says so.
	_ = rlimit.RemoveMemlock()
	p := &Program{at: at, users: 1}
	if err := p.load(o, nil); err != nil {
		return nil, err
	}
	if err := p.attach(o.Mode); err != nil {
		p.objs.Close()
		return nil, err
	}
	programs.at[at] = p
	return p, nil
}

func find(name string) (place, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return place{}, fmt.Errorf("cannot use XDP on %s: there is no such interface: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return place{}, fmt.Errorf("cannot use XDP on %s: cannot see the network namespace: %w", name, err)
	}
	return place{st.Ino, i.Index}, nil
}

// load loads the program with what the options ask for, and keeps the maps that are given.
func (p *Program) load(o Options, keep map[string]*ebpf.Map) error {
	objs, frags, err := build(o, true, keep)
	if err != nil {
		// Kernels before 5.18 know no frames in several buffers.
		var second error
		if objs, frags, second = build(o, false, keep); second != nil {
			return explain(o.Interface, "load the XDP program for", err)
		}
	}
	if o.Peer != "" {
		peer, err := net.InterfaceByName(o.Peer)
		if err == nil {
			err = objs.Peer.Put(uint32(0), uint32(peer.Index))
		}
		if err != nil {
			objs.Close()
			return fmt.Errorf("cannot redirect flows of %s to %s: %w", o.Interface, o.Peer, err)
		}
	}
	slots := p.slots
	if o.Flows > 0 && slots == nil {
		m, err := objs.Slots.Memory()
		if err != nil {
			objs.Close()
			return explain(o.Interface, "map the flow counters of", err)
		}
		slots = &Slots{memory: m, total: objs.Slots.MaxEntries()}
	}
	p.objs, p.opts, p.frags, p.slots = objs, o, frags, slots
	return nil
}

// maxCounters bounds the counters of early drops: they take memory for each CPU.
const maxCounters = 1 << 16

func build(o Options, frags bool, keep map[string]*ebpf.Map) (objs objectObjects, hasFrags bool, err error) {
	spec, err := loadObject()
	if err != nil {
		return objs, false, err
	}
	on := func(name string, yes bool) {
		if yes && err == nil {
			err = spec.Variables[name].Set(uint8(1))
		}
	}
	size := func(n int, names ...string) {
		for _, name := range names {
			spec.Maps[name].MaxEntries = uint32(max(n, 1))
		}
	}
	on("use_networks", o.Networks > 0)
	on("use_hosts", o.Hosts > 0)
	on("use_flows", o.Flows > 0)
	on("use_sockets", o.Sockets > 0)
	on("use_frags", frags)
	on("ignore_vlan", o.IgnoreVLAN)
	if err != nil {
		return objs, false, err
	}
	size(o.Networks, "networks4", "networks6")
	size(o.Hosts, "hosts4", "hosts6")
	size(o.Flows, "flows4", "flows6")
	size(2*o.Flows, "slots")
	size(o.Sockets, "sockets")
	size(min(1+o.Networks+o.Hosts, maxCounters), "counters")
	for name, m := range keep {
		spec.Maps[name].MaxEntries = m.MaxEntries()
	}
	if !frags {
		spec.Programs["sentinel"].Flags &^= unix.BPF_F_XDP_HAS_FRAGS
	}
	err = spec.LoadAndAssign(&objs, &ebpf.CollectionOptions{MapReplacements: keep})
	return objs, frags, err
}

// attach puts the loaded program on its interface.
func (p *Program) attach(m Mode) error {
	modes := []Mode{m}
	if m == Auto {
		modes = []Mode{Native, Generic}
	}
	var err error
	for _, mode := range modes {
		var l link.Link
		if l, err = link.AttachXDP(link.XDPOptions{Program: p.objs.Sentinel, Interface: p.at.index, Flags: flags(mode)}); err == nil {
			p.link, p.mode = l, mode
			return nil
		}
		if occupied(err) {
			break
		}
		if p.fallback == "" {
			p.fallback = fmt.Sprintf("%s mode: %v", mode, err)
		}
	}
	return explain(p.opts.Interface, "attach the XDP program to", err)
}

func flags(m Mode) link.XDPAttachFlags {
	switch m {
	case Generic:
		return link.XDPGenericMode
	case Offload:
		return link.XDPOffloadMode
	}
	return link.XDPDriverMode
}

func occupied(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) }

// explain says what to do about an error.
func explain(name, what string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		hint = ": run as root, or with the capabilities CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF (CAP_SYS_ADMIN before Linux 5.8)"
	case occupied(err):
		hint = fmt.Sprintf(": another XDP program is there: see \"ip link show %s\", take it off with \"ip link set dev %s xdp off\" or stop its owner", name, name)
	case errors.Is(err, unix.ENOMEM):
		hint = ": raise the limit of locked memory (ulimit -l unlimited), or ask for fewer entries"
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		hint = ": the kernel or the interface's driver cannot do this: Linux 5.9 or newer is needed, and the generic mode works with every driver"
	}
	return fmt.Errorf("cannot %s %s: %w%s", what, name, err, hint)
}

// extend adds what another user needs.
func (p *Program) extend(o Options) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	fail := func(format string, args ...any) error {
		return fmt.Errorf("cannot share the XDP program of %s: "+format, append([]any{o.Interface}, args...)...)
	}
	old := p.opts
	switch {
	case o.Mode != Auto && o.Mode != p.mode:
		return fail("it runs in %s mode, not in %s mode: ask for the same one everywhere", p.mode, o.Mode)
	case o.Peer != "" && old.Peer != "" && o.Peer != old.Peer:
		return fail("it redirects to %s, not to %s", old.Peer, o.Peer)
	case old.Sockets > 0 && o.Sockets > old.Sockets:
		return fail("it has room for %d sockets, not for %d", old.Sockets, o.Sockets)
	case old.Flows > 0 && o.Flows > 0 && o.IgnoreVLAN != old.IgnoreVLAN:
		return fail("its flows are told apart by VLAN or they are not, but not both")
	}
	all := old
	keep := map[string]*ebpf.Map{"peer": p.objs.Peer}
	part := func(have *int, want int, maps map[string]*ebpf.Map) {
		if *have == 0 {
			*have = want
			return
		}
		for name, m := range maps {
			keep[name] = m
		}
	}
	part(&all.Sockets, o.Sockets, map[string]*ebpf.Map{"sockets": p.objs.Sockets})
	part(&all.Flows, o.Flows, map[string]*ebpf.Map{"flows4": p.objs.Flows4, "flows6": p.objs.Flows6, "slots": p.objs.Slots})
	part(&all.Hosts, o.Hosts, map[string]*ebpf.Map{"hosts4": p.objs.Hosts4, "hosts6": p.objs.Hosts6})
	part(&all.Networks, o.Networks, map[string]*ebpf.Map{"networks4": p.objs.Networks4, "networks6": p.objs.Networks6})
	if old.Hosts > 0 || old.Networks > 0 {
		keep["counters"] = p.objs.Counters
	}
	if all.Peer == "" {
		all.Peer = o.Peer
	}
	if old.Flows == 0 {
		all.IgnoreVLAN = o.IgnoreVLAN
	}
	if all == old {
		return nil
	}
	before, slots := p.objs, p.slots
	if err := p.load(all, keep); err != nil {
		return err
	}
	if err := p.link.Update(p.objs.Sentinel); err != nil {
		p.objs.Close()
		p.objs, p.opts, p.slots = before, old, slots
		return explain(o.Interface, "replace the XDP program of", err)
	}
	// What was kept was cloned for the new program. Users hold the original.
	now := tables(&p.objs)
	for name, m := range tables(&before) {
		if keep[name] != nil {
			(*now[name]).Close()
			*now[name] = *m
			*m = nil
		}
	}
	before.Close()
	return nil
}

// tables lists the maps by name.
func tables(o *objectObjects) map[string]**ebpf.Map {
	return map[string]**ebpf.Map{
		"networks4": &o.Networks4, "networks6": &o.Networks6, "hosts4": &o.Hosts4, "hosts6": &o.Hosts6, "counters": &o.Counters,
		"flows4": &o.Flows4, "flows6": &o.Flows6, "slots": &o.Slots, "peer": &o.Peer, "sockets": &o.Sockets,
	}
}

// Mode returns the mode that the program runs in.
func (p *Program) Mode() Mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

// Fallback says why the program does not run in native mode although that was wanted. It is empty if it does.
func (p *Program) Fallback() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fallback
}

// Frags reports whether frames that lie in several buffers (a large MTU) can go through the program.
func (p *Program) Frags() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frags
}

// SetSocket hands the frames of a receive queue to the AF_XDP socket fd. The entry goes away with the socket.
func (p *Program) SetSocket(queue, fd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if queue < 0 || queue >= p.opts.Sockets {
		return fmt.Errorf("cannot feed a socket from queue %d of %s: there is room for %d", queue, p.opts.Interface, p.opts.Sockets)
	}
	if err := p.objs.Sockets.Put(uint32(queue), uint32(fd)); err != nil {
		return fmt.Errorf("cannot feed a socket from queue %d of %s: %w", queue, p.opts.Interface, err)
	}
	return nil
}

// shown returns a map of a part that is switched on.
func (p *Program) shown(on func(*Options) int, m func(*objectObjects) *ebpf.Map) *ebpf.Map {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 || on(&p.opts) == 0 {
		return nil
	}
	return m(&p.objs)
}

func flows(o *Options) int    { return o.Flows }
func hosts(o *Options) int    { return o.Hosts }
func networks(o *Options) int { return o.Networks }

// Flows4 returns the flows of IPv4 that are left alone: Flow4Key to FlowValue. It is full when Put says E2BIG. The maps that this
// and the next methods return are nil for what is switched off, and go away with the program.
func (p *Program) Flows4() *ebpf.Map {
	return p.shown(flows, func(o *objectObjects) *ebpf.Map { return o.Flows4 })
}

// Flows6 returns the flows of IPv6: Flow6Key to FlowValue.
func (p *Program) Flows6() *ebpf.Map {
	return p.shown(flows, func(o *objectObjects) *ebpf.Map { return o.Flows6 })
}

// Hosts4 returns the hosts whose frames are dropped, whether they come from there or go there: Host4Key to HostValue.
func (p *Program) Hosts4() *ebpf.Map {
	return p.shown(hosts, func(o *objectObjects) *ebpf.Map { return o.Hosts4 })
}

// Hosts6 returns the hosts of IPv6: Host6Key to HostValue.
func (p *Program) Hosts6() *ebpf.Map {
	return p.shown(hosts, func(o *objectObjects) *ebpf.Map { return o.Hosts6 })
}

// Networks4 returns the networks whose frames are dropped: Network4Key to uint32, an index in Counters.
func (p *Program) Networks4() *ebpf.Map {
	return p.shown(networks, func(o *objectObjects) *ebpf.Map { return o.Networks4 })
}

// Networks6 returns the networks of IPv6: Network6Key to uint32.
func (p *Program) Networks6() *ebpf.Map {
	return p.shown(networks, func(o *objectObjects) *ebpf.Map { return o.Networks6 })
}

// Counters returns the counts of what hosts and networks dropped: uint32 to a CounterValue for each CPU. There is one for each host
// and network of one family and one more, up to 65536, as the first user who wanted either asked for.
func (p *Program) Counters() *ebpf.Map {
	return p.shown(func(o *Options) int { return o.Hosts + o.Networks }, func(o *objectObjects) *ebpf.Map { return o.Counters })
}

// Slots returns the counts of the flows; nil without flows.
func (p *Program) Slots() *Slots {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 || p.opts.Flows == 0 {
		return nil
	}
	return p.slots
}

// Close ends one user's part in the program. With the last one it leaves the interface.
func (p *Program) Close() error {
	programs.Lock()
	defer programs.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 {
		return nil
	}
	if p.users--; p.users > 0 {
		return nil
	}
	delete(programs.at, p.at)
	return errors.Join(p.link.Close(), p.objs.Close())
}
