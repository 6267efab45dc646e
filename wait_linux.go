package sentinel

import (
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for frames on several sources at once.
type waiter struct {
	fds   []unix.PollFd
	pause time.Duration // before the next look where only looking tells
	vain  int           // times in a row that something was ready and nothing came
}

// found says that there were frames.
func (w *waiter) found() { w.pause, w.vain = 0, 0 }

// wait returns when one of the sources may have frames, after at most idlePeriod. It reports whether that is over.
func (w *waiter) wait(taps []*tap) (expired bool) {
	w.fds = w.fds[:0]
	blind := false
	for _, t := range taps {
		if t.over {
			continue
		}
		fd := t.poll.Descriptor()
		if fd < 0 {
			blind = true
			continue
		}
		w.fds = append(w.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if blind || w.vain > maxVain {
		if w.pause == 0 {
			w.pause = minPause
		}
		if len(w.fds) == 0 || w.vain > maxVain {
			time.Sleep(w.pause)
		} else {
			ts := unix.NsecToTimespec(int64(w.pause))
			unix.Ppoll(w.fds, &ts, nil)
		}
		if w.pause < maxPause {
			w.pause *= 2
			return false
		}
		w.vain = 0
		return true
	}
	n, err := unix.Poll(w.fds, int(idlePeriod/time.Millisecond))
	w.vain++
	if n == 0 && err == nil {
		w.vain = 0
		return true
	}
	return false
}
