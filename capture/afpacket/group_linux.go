package afpacket

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// group is what all sources of one Open share: the fanout group of their sockets, and how they come back together when their
// interface goes away and another one of its name appears.
//
// A packet goes to the member whose number the hash gives, and members are numbered as they join. So all sockets are made and
// join in the order of their sources, both at first and after the interface was replaced. That is why two interfaces that are
// copied to each other give the two directions of a flow to sources of the same number. (When an interface only goes down and
// up the kernel joins them again itself, in the order in which they were made.)
type group struct {
	opts   *Options
	lb     *program // for ClusterEBPF
	filter *program
	nic    *offloads

	gone atomic.Bool // the interface went away: members give their sockets up

	mu     sync.Mutex
	id     uint16
	open   []bool    // sources that are not closed
	has    []bool    // sources that have a socket
	fresh  []*socket // made again, to be fetched
	looked time.Time
	told   bool
	dev    device
}

// lookEvery is how often an interface that is down is looked for.
const lookEvery = 500 * time.Millisecond

func newGroup(o *Options) (*group, error) {
	g := &group{opts: o, id: o.ClusterID, open: make([]bool, o.Threads), has: make([]bool, o.Threads), fresh: make([]*socket, o.Threads)}
	var err error
	if o.Cluster == ClusterEBPF {
		if g.lb, err = loadBalancer(o.FanoutFile); err != nil {
			return nil, err
		}
	}
	if o.FilterFile != "" {
		if g.filter, err = loadObject(o.FilterFile, filterSection); err != nil {
			g.lb.close()
			return nil, err
		}
	}
	return g, nil
}

// together reports whether the sockets share packets out.
func (g *group) together() bool { return g.opts.Threads > 1 || g.opts.ClusterID != 0 }

// begin makes a socket for each source. No packet is let in before the last has joined, so that no flow begins with one member
// and goes on with another.
func (g *group) begin(dev device) ([]*socket, error) {
	all := make([]*socket, 0, g.opts.Threads)
	fail := func(err error) ([]*socket, error) {
		for _, s := range all {
			s.close()
		}
		return nil, err
	}
	id := g.id
	for range g.opts.Threads {
		s, err := openSocket(g.opts, dev)
		if err != nil {
			return fail(err)
		}
		all = append(all, s)
		if !g.together() {
			continue
		}
		if id, err = s.join(g.opts, id, g.lb); err != nil {
			return fail(err)
		}
	}
	for _, s := range all {
		if err := s.start(g.opts, g.filter); err != nil {
			return fail(err)
		}
	}
	g.dev = dev
	return all, nil
}

// watch looks from time to time whether the interface has gone or has been replaced. It is called while nothing comes. It
// reports whether it has looked, and all is well.
func (g *group) watch() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.looked) < lookEvery {
		return false
	}
	g.looked = now
	dev, err := lookup(g.opts.Interface, g.opts.Cooked)
	if g.gone.Load() {
		if err == nil {
			g.again(dev)
		}
		return false
	}
	switch {
	case err != nil && (err == unix.ENODEV || err == unix.ENXIO):
		g.opts.log().Warnf("%s: the interface is gone; the capture goes on when it is back", g.opts.Interface)
		g.gone.Store(true)
	case err == nil && dev.index != g.dev.index:
		g.opts.log().Warnf("%s: the interface was replaced", g.opts.Interface)
		g.gone.Store(true)
	case err == nil && !dev.up && !g.told:
		g.told = true
		g.opts.log().Warnf("%s: the interface is down", g.opts.Interface)
	case err == nil && dev.up:
		if g.told {
			g.told = false
			g.opts.log().Infof("%s: the interface is up", g.opts.Interface)
		}
		return true
	}
	return false
}

// again opens the sockets on the new interface, once all members have given the old ones up.
func (g *group) again(dev device) {
	for i := range g.has {
		if g.has[i] || g.fresh[i] != nil {
			return
		}
	}
	g.nic.apply(g.opts)
	all, err := g.begin(dev)
	if err != nil {
		if !g.told {
			g.told = true
			g.opts.log().Warnf("%v; it is tried again", explain(g.opts.Interface, err))
		}
		return
	}
	for i, s := range all {
		if g.open[i] {
			g.fresh[i] = s
		} else {
			s.close()
		}
	}
	g.told = false
	g.gone.Store(false)
	g.opts.log().Infof("%s: the interface is back", g.opts.Interface)
}

// gaveUp says that a source has closed its socket.
func (g *group) gaveUp(i int) {
	g.mu.Lock()
	g.has[i] = false
	g.mu.Unlock()
}

// fetch returns the new socket of a source, if there is one.
func (g *group) fetch(i int) *socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.fresh[i]
	g.fresh[i] = nil
	g.has[i] = s != nil
	return s
}

// leave ends a source's membership; the last takes away what they shared.
func (g *group) leave(i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open[i] {
		return
	}
	g.open[i], g.has[i] = false, false
	if s := g.fresh[i]; s != nil {
		s.close()
		g.fresh[i] = nil
	}
	for _, o := range g.open {
		if o {
			return
		}
	}
	g.lb.close()
	g.filter.close()
	g.nic.restore(g.opts)
}

// report says what was got.
func (g *group) report(s *socket, queues int) {
	o := g.opts
	how := "one thread"
	if g.together() {
		id := o.ClusterID
		if v, err := unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT); err == nil {
			id = uint16(v)
		}
		how = fmt.Sprintf("%d threads, %v", o.Threads, o.Cluster)
		switch {
		case o.Cluster == ClusterEBPF && o.FanoutFile != "":
			how += " by " + o.FanoutFile
		case o.Cluster == ClusterFlow && !o.NoDefrag && o.CopyTo == "":
			how += " with defrag"
		}
		how += fmt.Sprintf(", cluster-id %d", id)
	}
	promisc := ""
	if o.Promisc && !s.dev.raw {
		promisc = ", promiscuous"
	}
	o.log().Infof("%s: %s; %s a thread; receive queues %d, MTU %d%s", o.Interface, how, s.size, queues, s.dev.mtu, promisc)
	if o.CopyTo != "" {
		o.log().Infof("%s: frames are copied to %s", o.Interface, o.CopyTo)
		if peer, err := lookup(o.CopyTo, false); err == nil && peer.mtu < s.dev.mtu {
			o.log().Warnf("%s: frames of more than %d bytes cannot be copied to %s: make the MTUs equal", o.Interface, peer.mtu, o.CopyTo)
		}
	}
	if !s.dev.up {
		g.told = true
		o.log().Warnf("%s: the interface is down; the capture begins when it is up", o.Interface)
	}
	if o.CopyTo != "" && o.Ring == Blocks {
		o.log().Warnf("%s: with tpacket-v3 each frame waits until its block is full or %v are over; tpacket-v2 forwards at once", o.Interface, o.BlockTimeout)
	}
	if o.CopyTo == "" && o.Cluster == ClusterFlow && o.NoDefrag && o.Threads > 1 {
		o.log().Warnf("%s: without defrag, fragments go to another thread than their flow", o.Interface)
	}
	if o.CopyTo == "" && o.Threads > 1 && o.Cluster > ClusterEBPF {
		o.log().Warnf("%s: %v brings packets of one flow to different threads unless the system is set up for it", o.Interface, o.Cluster)
	}
}
