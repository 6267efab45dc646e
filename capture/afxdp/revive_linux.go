package afxdp

import "time"

// lookEvery is how often an interface that was taken away is looked for.
const lookEvery = 500 * time.Millisecond

// revive looks from time to time whether an interface that was taken away has been replaced by another one of the same name, and
// opens that. An inline pair is not put together again: frames of the other end may be lent.
func (s *Source) revive(wait bool) {
	if wait {
		time.Sleep(maxWait / 2 * time.Millisecond)
	}
	now := time.Now()
	if now.Sub(s.looked) < lookEvery || s.lent > 0 || s.opts.CopyTo != "" {
		return
	}
	s.looked = now
	d, err := lookup(s.opts.Interface)
	if err != nil || d.queues <= s.number || s.wire != nil && d.index == s.in[0].dev.index {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.drop()
	if s.reopen(d) != nil {
		_ = s.drop() // next time, then
		return
	}
	s.gone = false
	s.opts.Log.Infof("%s: the interface is back", s.opts.Interface)
}

func (s *Source) reopen(d device) error {
	prog, err := share(s.opts, d)
	if err != nil {
		return err
	}
	defer prog.Close()
	list, _ := attempts(s.opts, prog.Mode(), d.mtu+linkBytes > chunkFor(d.mtu)-headroom)
	for _, a := range list {
		var w *wire
		if w, err = newWire(s.opts, [2]device{d}, s.number, s.all, chunkFor(d.mtu), a); err == nil {
			w.users = 1
			s.wire, s.in = w, w.ends[0]
			break
		}
	}
	if err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	return s.start()
}
