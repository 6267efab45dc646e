//go:build !linux

package sentinel

import "time"

// waiter waits for frames on several sources at once.
type waiter struct{ pause time.Duration }

// found says that there were frames.
func (w *waiter) found() { w.pause = 0 }

// wait returns when it is time to look for frames again. It reports whether there were none for some time.
func (w *waiter) wait([]*tap) (expired bool) {
	if w.pause == 0 {
		w.pause = minPause
	}
	time.Sleep(w.pause)
	if w.pause < maxPause {
		w.pause *= 2
		return false
	}
	return true
}
