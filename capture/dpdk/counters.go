//go:build dpdk && cgo

package dpdk

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// fresh is how old statistics of a port may be: some drivers ask the card for them, which takes a while.
const fresh = 100 * time.Millisecond

// refresh reads the port's statistics. Some drivers forget their counts when the device is reset: they go on from where they were.
func (h *port) refresh(now bool) {
	if !now && time.Since(h.asked) < fresh {
		return
	}
	h.asked = time.Now()
	for _, fd := range h.socks {
		if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			h.lost += uint64(st.Drops) // the kernel starts anew with each look
		}
	}
	var s C.sn_stats
	if C.sn_port_stats(h.c, &s) != 0 {
		return
	}
	add := func(sum, last *C.uint64_t, now C.uint64_t) {
		if now >= *last {
			*sum += now - *last
		} else {
			*sum += now
		}
		*last = now
	}
	add(&h.sum.ipackets, &h.last.ipackets, s.ipackets)
	add(&h.sum.opackets, &h.last.opackets, s.opackets)
	add(&h.sum.ibytes, &h.last.ibytes, s.ibytes)
	add(&h.sum.obytes, &h.last.obytes, s.obytes)
	add(&h.sum.imissed, &h.last.imissed, s.imissed)
	add(&h.sum.ierrors, &h.last.ierrors, s.ierrors)
	add(&h.sum.oerrors, &h.last.oerrors, s.oerrors)
	add(&h.sum.nombuf, &h.last.nombuf, s.nombuf)
}

// losses is how many packets the port has lost before a queue was read.
func (h *port) losses(now bool) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refresh(now)
	return uint64(h.sum.imissed+h.sum.ierrors+h.sum.nombuf) + h.lost
}

// Counts implements capture.Counted, with Suricata's names where it has one. Those of the port are with its first source; they are 0 with
// the others.
func (s *Source) Counts(dst []capture.Count) []capture.Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end {
		return append(dst, s.last[:]...)
	}
	return append(dst, s.counts(false)...)
}

// counts takes all counts anew and remembers them.
func (s *Source) counts(fresh bool) []capture.Count {
	st := s.stats(fresh)
	s.last = [...]capture.Count{
		{Name: "capture.packets", Value: st.Received + st.Dropped},
		{Name: "capture.rx_errors"}, {Name: "capture.tx_errors"},
		{Name: "capture.dpdk.imissed"}, {Name: "capture.dpdk.no_mbufs"}, {Name: "capture.dpdk.ierrors"},
		{Name: "capture.dpdk.unsent", Value: load(&s.lane.unsent)},
		{Name: "capture.dpdk.inbox_full", Value: uint64(C.sn_port_inbox_full(s.port.c, C.int(s.n)))},
	}
	if s.n == 0 {
		h := s.port
		h.mu.Lock()
		s.last[1].Value = uint64(h.sum.imissed + h.sum.ierrors + h.sum.nombuf)
		s.last[2].Value = uint64(h.sum.oerrors)
		s.last[3].Value = uint64(h.sum.imissed) + h.lost
		s.last[4].Value = uint64(h.sum.nombuf)
		s.last[5].Value = uint64(h.sum.ierrors)
		h.mu.Unlock()
	}
	return s.last[:]
}

// Extended returns the driver's own statistics of the port that are not zero, by the names it gives them.
func (s *Source) Extended() (map[string]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end {
		return nil, fmt.Errorf("capture on %s is closed", s.port.name)
	}
	return s.port.extended()
}

func (h *port) extended() (map[string]uint64, error) {
	const most = 1 << 16
	n := C.sn_port_xstats_count(h.c)
	if n <= 0 || n > most {
		return nil, nil
	}
	const name = 64
	names := (*C.char)(C.calloc(C.size_t(n), name))
	ids := (*C.uint64_t)(C.calloc(C.size_t(n), 8))
	values := (*C.uint64_t)(C.calloc(C.size_t(n), 8))
	defer func() {
		C.free(unsafe.Pointer(names))
		C.free(unsafe.Pointer(ids))
		C.free(unsafe.Pointer(values))
	}()
	if names == nil || ids == nil || values == nil {
		return nil, fmt.Errorf("%s: no memory for statistics", h.name)
	}
	k := min(C.sn_port_xstats_names(h.c, names, n), n)
	v := min(C.sn_port_xstats(h.c, ids, values, n), n)
	if k < 0 || v < 0 {
		return nil, fmt.Errorf("%s: no statistics: %s", h.name, C.GoString(C.sn_strerror(min(k, v))))
	}
	m := map[string]uint64{}
	id, value := unsafe.Slice(ids, int(n)), unsafe.Slice(values, int(n))
	for i := range int(v) {
		if at := int(id[i]); value[i] > 0 && at < int(k) {
			m[C.GoString((*C.char)(unsafe.Add(unsafe.Pointer(names), at*name)))] = uint64(value[i])
		}
	}
	return m, nil
}

// account is what the port has counted itself, for the log.
func (h *port) account() string {
	if C.sn_port_removed(h.c) != 0 {
		return "it was unplugged"
	}
	m, err := h.extended()
	if err != nil {
		return err.Error()
	}
	text := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		text = append(text, fmt.Sprintf("%s %d", name, m[name]))
	}
	if len(text) == 0 {
		return "it has counted nothing"
	}
	return strings.Join(text, ", ")
}

// leave takes one source of the port away; the last one stops it.
func (h *port) leave(log capture.Log) error {
	if h.lanes--; h.lanes > 0 {
		return nil
	}
	if h.peer != nil {
		h.peer.peer, h.peer = nil, nil
	}
	h.open = false
	for _, fd := range h.socks {
		unix.Close(fd)
	}
	h.socks = nil
	for _, c := range h.cpus {
		delete(env.used, c)
	}
	h.cpus = nil
	counted := h.account()
	var r C.int
	var spare, all C.uint32_t
	env.do(func() {
		if h.plan.Spread == SpreadFlows {
			C.sn_port_flush(h.c)
		}
		r = C.sn_port_stop(h.c)
		C.sn_port_buffers(h.c, &spare, &all)
	})
	log.Infof("%s: at the end: %s; %d of %d buffers are free", h.name, counted, uint32(spare), uint32(all))
	if r != 0 {
		return fmt.Errorf("cannot stop port %s: %s", h.name, C.GoString(C.sn_strerror(r)))
	}
	return nil
}
