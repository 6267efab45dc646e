//go:build dpdk && cgo

package dpdk

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"sentinel/capture"
)

// open sets the port of a target up and starts it.
func open(t *capture.Target, s *Settings) ([]capture.Source, error) {
	env.mu.Lock()
	defer env.mu.Unlock()
	if err := env.start(t); err != nil {
		return nil, err
	}
	id, limits, err := env.find(s.Name)
	if err != nil {
		return nil, err
	}
	top := machine()
	share, allowed, why := shareOf(t, top, limits.Socket)
	if s.Threads == 0 {
		t.Log.Infof("%s: %s", s.Name, why)
	}
	soft := false
	if s.CopyMode != "none" {
		_, peer, err := env.find(s.CopyTo)
		if err != nil {
			return nil, err
		}
		if peer.Socket != limits.Socket {
			t.Log.Warnf("%s is on NUMA node %d and its copy-iface %s on %d: this costs speed", s.Name, limits.Socket, s.CopyTo, peer.Socket)
		}
		soft = !spreads(quirkOf(peer.Driver), &peer)
		if s.Threads == 0 && !soft && spreads(quirkOf(limits.Driver), &limits) {
			share = min(share, peer.RxQueues, limits.RxQueues) // the same number on both sides
		}
	}
	p, err := plan(s, &limits, share, soft)
	if err != nil {
		return nil, err
	}
	h := env.ports[s.Name]
	if h == nil {
		h = &port{name: s.Name, c: C.sn_port_new(id)}
		if h.c == nil {
			return nil, fmt.Errorf("dpdk: no memory for port %s", s.Name)
		}
		env.ports[s.Name] = h
	}
	if h.lanes > 0 {
		return nil, fmt.Errorf("port %s is open already", s.Name)
	}
	h.limits, h.plan, h.set = limits, p, s
	for _, n := range p.Notes {
		t.Log.Warnf("%s: %s", s.Name, n)
	}
	err = h.setUp(t.Log)
	if err != nil && p.Spread != SpreadSoftware && p.Lanes > 1 {
		// A card that refuses what makes its hash symmetric must not spread.
		t.Log.Warnf("%s: %v: the software spreads instead", s.Name, err)
		if p, err = plan(s, &limits, share, true); err != nil {
			return nil, err
		}
		h.plan = p
		err = h.setUp(t.Log)
	}
	if err != nil {
		return nil, err
	}
	same := []int(nil)
	if peer := env.ports[s.CopyTo]; peer != nil && s.CopyMode != "none" {
		same = peer.cpus
	}
	where := place(top, Placing{Node: limits.Socket, Sources: p.Lanes, Allowed: allowed, Used: env.used, Same: same})
	h.cpus = where.CPUs
	for _, c := range h.cpus {
		env.used[c] = true
	}
	return h.sources(t, where)
}

// setUp configures, starts and finishes the port, or leaves it stopped.
func (h *port) setUp(log capture.Log) (err error) {
	p, s := h.plan, h.set
	if p.Spread == SpreadSoftware && p.Lanes > 1 {
		log.Infof("%s (%s): nothing below spreads flows over %d threads alike in both directions: done by a hash in software", s.Name, h.limits.Driver, p.Lanes)
	}
	var c C.sn_config
	c.rx_queues, c.tx_queues = C.uint32_t(p.RxQueues), C.uint32_t(p.TxQueues)
	c.rx_desc, c.tx_desc = C.uint32_t(p.RxDesc), C.uint32_t(p.TxDesc)
	c.lanes, c.inbox = C.uint32_t(p.Lanes), C.uint32_t(p.Inbox)
	c.pools = C.uint32_t(p.Pools)
	c.pool, c.cache, c.buffer = C.uint32_t(p.Pool), C.uint32_t(p.Cache), C.uint32_t(p.Buffer)
	c.mtu = C.uint32_t(s.MTU)
	c.rx_offloads, c.tx_offloads = C.uint64_t(p.RxOffloads), C.uint64_t(p.TxOffloads)
	c.rss, c.spread = C.uint64_t(p.Functions), C.uint64_t(p.Software)
	c.key_len = C.uint32_t(fill(&c.key, p.Key))
	c.hash_usable, c.checksums = flag(p.HashUsable), flag(p.Checksums)
	c.promisc, c.multicast = C.int32_t(flag(s.Promisc)), C.int32_t(flag(s.Multicast))
	c.interrupts = C.int32_t(flag(s.Interrupt && p.Inbox == 0))
	if s.Interrupt && p.Inbox > 0 {
		log.Warnf("%s: no interrupts where software spreads: polling instead", s.Name)
	}
	var text, warn [C.SN_TEXT]C.char
	name := C.CString(s.Name)
	defer C.free(unsafe.Pointer(name))
	var r C.int
	env.do(func() {
		C.sn_errors(&warn[0], C.SN_TEXT) // of others
		r = C.sn_port_open(h.c, name, &c, &text[0], &warn[0])
	})
	h.tell(log, C.GoString(&warn[0]))
	if r != 0 {
		return h.refused(r, C.GoString(&text[0]))
	}
	p.RxDesc, p.TxDesc = int(c.rx_desc), int(c.tx_desc)
	s.Interrupt = c.interrupts != 0
	env.do(func() { r = C.sn_port_start(h.c, &text[0]) })
	if r != 0 {
		return h.refused(r, C.GoString(&text[0]))
	}
	h.wait(log)
	if err := h.steer(log); err != nil {
		env.do(func() { C.sn_port_stop(h.c) })
		return err
	}
	env.do(func() { C.sn_port_stats(h.c, &h.base) })
	h.last, h.sum = h.base, C.sn_stats{}
	h.open = true
	h.findSockets()
	by := ""
	if p.Lanes > 1 {
		by = ", spread by " + p.Spread.String()
	}
	log.Infof("%s: driver %s, NUMA node %d, %d threads on %d receive queues%s; %d/%d descriptors, pools of %d buffers of %d bytes, cache %d, %d MiB",
		s.Name, h.limits.Driver, h.limits.Socket, p.Lanes, p.RxQueues, by, p.RxDesc, p.TxDesc, p.Pool, p.Buffer, p.Cache, p.bytes()>>20)
	return nil
}

func (h *port) tell(log capture.Log, lines string) {
	for _, l := range strings.Split(lines, "\n") {
		if l != "" {
			log.Warnf("%s: %s", h.name, l)
		}
	}
}

// refused is the error of a port that was not set up, with what to do.
func (h *port) refused(r C.int, what string) error {
	err := fmt.Errorf("dpdk interface %s: %s: %w", h.name, what, ealError(r, env.eal))
	const noMemory = -12
	args, _ := env.eal.vdev(h.name)
	switch {
	case strings.Contains(args, "infinite_rx=1"):
		return fmt.Errorf("%w: with infinite_rx the whole file must fit: raise mempool-size above the number of its packets", err)
	case r == noMemory && env.eal.NoHuge:
		return fmt.Errorf("%w: raise m in eal-params to at least %d (MiB), or lower rx-descriptors", err, h.plan.bytes()>>20*5/4+64)
	case r == noMemory:
		return fmt.Errorf("%w: reserve at least %d MiB more of huge pages on NUMA node %d, or lower rx-descriptors", err, h.plan.bytes()>>20+32, max(h.limits.Socket, 0))
	}
	return err
}

// wait waits for the link as long as the user wants.
func (h *port) wait(log capture.Log) {
	if h.set.LinkTimeout == 0 {
		return
	}
	end := time.Now().Add(time.Duration(h.set.LinkTimeout) * time.Second)
	for {
		var speed C.uint32_t
		var r C.int
		env.do(func() { r = C.sn_port_link(h.c, &speed) })
		switch {
		case r == 1:
			log.Infof("%s: link up, %d Mbit/s", h.name, uint32(speed))
			return
		case r < 0:
			log.Infof("%s: the link's state is not known here", h.name)
			return
		case time.Now().After(end):
			log.Warnf("%s: the link is down after %d s, going on", h.name, h.set.LinkTimeout)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// steer does what some drivers need to spread once they run.
func (h *port) steer(log capture.Log) error {
	p := h.plan
	if p.Lanes == 1 || p.Spread == SpreadSoftware || p.Spread == SpreadKernel {
		return nil
	}
	var r C.int
	if p.Spread == SpreadUpdate {
		var key [C.SN_TEXT]C.uint8_t
		for i, b := range p.Key {
			key[i] = C.uint8_t(b)
		}
		env.do(func() { r = C.sn_port_rss_update(h.c, C.uint64_t(p.Functions), &key[0], C.uint32_t(len(p.Key))) })
		if r != 0 {
			return h.refused(r, "the port refuses the symmetric hash key")
		}
	}
	if p.Quirk.Table && h.limits.RedirectionSize > 0 {
		env.do(func() { r = C.sn_port_reta(h.c, C.uint32_t(h.limits.RedirectionSize), C.uint32_t(p.RxQueues)) })
		if r != 0 {
			log.Warnf("%s: the redirection table cannot be set (%v): queues may get unequal shares", h.name, ealError(r, env.eal))
		}
	}
	if p.Spread != SpreadFlows {
		return nil
	}
	for _, f := range p.Quirk.Rules {
		var c C.sn_flow_rule
		c.l3, c.l4, c.any = C.uint32_t(f.L3), C.uint32_t(f.L4), flag(f.Any)
		c.types, c.hash = C.uint64_t(f.Types), C.uint32_t(f.Func)
		if f.Queues {
			c.queues = C.uint32_t(p.RxQueues)
		}
		c.key_len = C.uint32_t(fill(&c.key, symmetricKey(f.Key)))
		var text [C.SN_TEXT]C.char
		env.do(func() { r = C.sn_port_flow(h.c, &c, &text[0]) })
		if r != 0 {
			env.do(func() { C.sn_port_flush(h.c) })
			return h.refused(r, "the port refuses a flow rule for RSS: "+C.GoString(&text[0]))
		}
	}
	return nil
}

func fill(to *[64]C.uint8_t, key []byte) int {
	for i, b := range key {
		to[i] = C.uint8_t(b)
	}
	return len(key)
}

func flag(b bool) C.uint32_t {
	if b {
		return 1
	}
	return 0
}
