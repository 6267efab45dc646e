package mpm

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// CompileAll compiles many sets on all cores. With a cache it loads those that are there and stores
// the others; trouble with the cache costs time only. An empty list of patterns gives a nil Set. If
// any set fails, all errors are returned and no set.
func CompileAll(e Engine, lists [][]Pattern, cache *Cache) ([]Set, error) {
	sets := make([]Set, len(lists))
	errs := make([]error, len(lists))
	order := make([]int, 0, len(lists))
	for i := range lists {
		if len(lists[i]) > 0 {
			order = append(order, i)
		}
	}
	// The largest first: they decide how long it takes.
	slices.SortStableFunc(order, func(a, b int) int { return len(lists[b]) - len(lists[a]) })
	var next, stored atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(order)) {
		wg.Go(func() {
			for {
				k := next.Add(1) - 1
				if k >= int64(len(order)) {
					return
				}
				i := order[k]
				var fresh bool
				if sets[i], fresh, errs[i] = compileOne(e, lists[i], cache); fresh {
					stored.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, s := range sets {
			if s != nil {
				s.Close()
			}
		}
		return nil, fmt.Errorf("cannot compile patterns: %w", err)
	}
	if stored.Load() > 0 {
		cache.prune()
	}
	return sets, nil
}

// CompileOne loads or compiles one set, as CompileAll does, on the caller's core. It does not look for files of the cache that are out
// of use: that is CompileAll's, which reads the whole folder.
func CompileOne(e Engine, ps []Pattern, cache *Cache) (Set, error) {
	s, _, err := compileOne(e, ps, cache)
	return s, err
}

// compileOne loads or compiles one set; fresh says that it was stored.
func compileOne(e Engine, ps []Pattern, cache *Cache) (s Set, fresh bool, err error) {
	if cache == nil || cache.Dir == "" {
		s, err = e.Compile(ps)
		return s, false, err
	}
	key := Key(e, ps)
	if b, ok := cache.load(key); ok {
		if s, err = e.Unmarshal(b); err == nil {
			return s, false, nil
		}
	}
	if s, err = e.Compile(ps); err != nil {
		return nil, false, err
	}
	if b, err := s.Marshal(); err == nil {
		fresh = cache.store(key, b) == nil
	}
	return s, fresh, nil
}
