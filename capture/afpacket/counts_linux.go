package afpacket

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

var _ capture.Counted = (*Source)(nil)

// polls counts what came of waiting for packets.
type polls struct{ all, signal, timeout, data, errors atomic.Uint64 }

// note takes what poll(2) has returned.
func (p *polls) note(n int, err error, events int16) {
	p.all.Add(1)
	switch {
	case err == nil && n == 0:
		p.timeout.Add(1)
	case err != nil:
		if err != unix.EINTR {
			p.errors.Add(1)
		}
	case events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		p.signal.Add(1)
	default:
		p.data.Add(1)
	}
}

// Counts implements capture.Counted.
func (s *Source) Counts(dst []capture.Count) []capture.Count {
	return append(dst,
		capture.Count{Name: "capture.afpacket.polls", Value: s.polls.all.Load()},
		capture.Count{Name: "capture.afpacket.poll_signal", Value: s.polls.signal.Load()},
		capture.Count{Name: "capture.afpacket.poll_timeout", Value: s.polls.timeout.Load()},
		capture.Count{Name: "capture.afpacket.poll_data", Value: s.polls.data.Load()},
		capture.Count{Name: "capture.afpacket.poll_errors", Value: s.polls.errors.Load()},
		capture.Count{Name: "capture.afpacket.send_errors", Value: s.unsent.Load()},
	)
}
