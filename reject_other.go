//go:build !linux

package sentinel

import (
	"errors"
	"sync/atomic"
)

// rejecter sends answers where no source of a wire does; it cannot on this system.
type rejecter struct {
	device string
	inline bool
	warn   func(string)
	told   atomic.Bool
}

func (s *rejecter) openDevice() error {
	return errors.New("cannot send rejects on a device of this system")
}
func (s *rejecter) sendDevice(*reply) bool { return false }
func (s *rejecter) sendRaw([]byte) bool    { return false }
func (s *rejecter) prepare()               {}
func (s *rejecter) close()                 {}
