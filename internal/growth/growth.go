package growth

import (
	"runtime/debug"
	"testing"
	"time"
)

const (
	// factor is how much more input the second measurement has, and limit how much more work that may be: between the 4 of
	// linear growth and the 16 of quadratic growth, with room for caches that overflow.
	factor, limit = 4, 8
	// least is the work from which on a measurement is worth something.
	least = 2 * time.Millisecond
	// runs is how often a size is measured; the least counts. tries is how often a comparison is made before it fails.
	runs, tries = 2, 4
)

// Cost is what Linear found.
type Cost struct {
	N    int           // the larger input
	Work time.Duration // for it
}

// Per is the work for one of n parts.
func (c Cost) Per(n int) time.Duration { return c.Work / time.Duration(max(n, 1)) }

// Linear fails the test when the work for 4n of input is more than 8 times the work for n. It looks for an n between from and
// most for which the work can be measured. prepare makes input of size n and returns the work to be measured; it is called before
// each measurement. With -short it skips the test.
func Linear(t testing.TB, from, most int, prepare func(n int) (work func())) Cost {
	t.Helper()
	Need(t)
	most = max(most/factor, 1)
	n := min(max(from, 1), most)
	for spent(prepare(n)) < least && n < most {
		n = min(2*n, most)
	}
	var small, large time.Duration
	for range tries {
		small, large = measure(prepare, n), measure(prepare, factor*n)
		if large <= limit*max(small, least) {
			return Cost{factor * n, large}
		}
	}
	t.Errorf("%d of input cost %v, %d cost %v: %.1f times the work for %d times the input", n, small, factor*n, large,
		float64(large)/float64(max(small, 1)), factor)
	return Cost{factor * n, large}
}

// Need skips the test where a measurement of work means nothing: with -short, as the race detector is run, and where memory is poisoned.
func Need(t testing.TB) {
	t.Helper()
	switch {
	case testing.Short():
		t.Skip("measures work, which means nothing under the race detector: not with -short")
	case poisoned:
		t.Skip("measures work, which means nothing where memory is poisoned: not with the tag invariants")
	}
}

// measure returns the least of several measurements. The garbage collector's share is left out as far as possible.
func measure(prepare func(n int) func(), n int) time.Duration {
	best := time.Duration(1 << 62)
	for range runs {
		work := prepare(n)
		old := debug.SetGCPercent(400)
		best = min(best, spent(work))
		debug.SetGCPercent(old)
	}
	return best
}

func elapsed(work func()) time.Duration {
	begin := time.Now()
	work()
	return time.Since(begin)
}
