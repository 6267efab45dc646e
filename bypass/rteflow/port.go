//go:build dpdk && cgo

package rteflow

/*
#cgo pkg-config: libdpdk
#cgo CFLAGS: -O2 -Wall
#include <stdlib.h>
#include "rule.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// port is a port of DPDK. Its environment layer runs already: the capture has started it. Rules are made and taken away by one goroutine,
// which need not be on one thread.
type port struct {
	id    C.uint16_t
	rules map[Handle]unsafe.Pointer // C's
	last  Handle
}

// openPort returns the rules of a port, which has made one as a proof.
func openPort(name string) (Flows, error) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	p := &port{rules: map[Handle]unsafe.Pointer{}}
	if r := C.rf_port(n, &p.id); r != 0 {
		return nil, fmt.Errorf("DPDK has no port %s", name)
	}
	if err := Prove(p); err != nil {
		return nil, fmt.Errorf("port %s: %w", name, err)
	}
	return p, nil
}

// Create implements Flows.
func (p *port) Create(m Match) (Handle, error) {
	var c C.rf_match
	c.version, c.proto = C.uint8_t(m.Version), C.uint8_t(m.Proto)
	for i := range m.Src {
		c.src[i], c.dst[i] = C.uint8_t(m.Src[i]), C.uint8_t(m.Dst[i])
	}
	c.sport, c.dport = C.uint16_t(m.SrcPort), C.uint16_t(m.DstPort)
	c.vlan[0], c.vlan[1] = C.uint16_t(m.VLAN[0]), C.uint16_t(m.VLAN[1])
	var text [256]C.char
	var rule unsafe.Pointer
	r := C.rf_create(p.id, &c, &rule, &text[0], 256)
	if r == 0 {
		p.last++
		p.rules[p.last] = rule
		return p.last, nil
	}
	said := C.GoString(&text[0])
	const (
		noEntry, noMemory, invalid    = -2, -12, -22
		noSpace, noSystem, notSupport = -28, -38, -95
	)
	switch r {
	case noMemory, noSpace:
		return 0, fmt.Errorf("%w: %s", ErrFull, said)
	case noSystem, notSupport, invalid, noEntry:
		return 0, fmt.Errorf("%w: %s", ErrUnsupported, said)
	}
	return 0, fmt.Errorf("%s: %s", C.GoString(C.rf_strerror(r)), said)
}

// Query implements Flows.
func (p *port) Query(h Handle) (pkts, bytes uint64, err error) {
	rule, ok := p.rules[h]
	if !ok {
		return 0, 0, errNoRule
	}
	var a, b C.uint64_t
	if r := C.rf_query(p.id, rule, &a, &b); r != 0 {
		return 0, 0, errors.New(C.GoString(C.rf_strerror(r)))
	}
	return uint64(a), uint64(b), nil
}

// Destroy implements Flows.
func (p *port) Destroy(h Handle) error {
	rule, ok := p.rules[h]
	if !ok {
		return errNoRule
	}
	delete(p.rules, h)
	if r := C.rf_destroy(p.id, rule); r != 0 {
		return errors.New(C.GoString(C.rf_strerror(r)))
	}
	return nil
}

var errNoRule = errors.New("no such rule")
