//go:build race

package counter

import "sync/atomic"

func add(p *uint64, n uint64)   { atomic.StoreUint64(p, *p+n) }
func store(p *uint64, v uint64) { atomic.StoreUint64(p, v) }
