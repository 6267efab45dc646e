//go:build dpdk && cgo

package dpdk

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"sentinel/capture"
)

// ringPrefix is what the driver puts before the names of its ports.
const ringPrefix = "net_ring_"

// Rings makes two ports of the driver net_ring, of which each receives what the other sends: a wire in memory, for tests and for
// programs that have packets themselves. Their names begin with net_ring_. It starts DPDK with t.Root's parameters, as opening a port
// does; t is one of the two, or any other port. The ports stay until the process ends.
func Rings(t *capture.Target, a, b string) error {
	for _, name := range []string{a, b} {
		if short := strings.TrimPrefix(name, ringPrefix); short == name || short == "" || strings.IndexByte(name, 0) >= 0 {
			return fmt.Errorf("%q is no name of a ring's port: they begin with %s", name, ringPrefix)
		}
	}
	if a == b {
		return errors.New("a ring's port cannot be its own other end")
	}
	env.mu.Lock()
	defer env.mu.Unlock()
	if err := env.start(t); err != nil {
		return err
	}
	x, y := C.CString(a[len(ringPrefix):]), C.CString(b[len(ringPrefix):])
	defer C.free(unsafe.Pointer(x))
	defer C.free(unsafe.Pointer(y))
	var r C.int
	env.do(func() { r = C.sn_rings(x, y) })
	if r != 0 {
		return fmt.Errorf("cannot make the ports %s and %s: %w", a, b, ealError(r, env.eal))
	}
	return nil
}
