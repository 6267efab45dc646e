//go:build !linux

package affinity

import (
	"errors"
	"runtime"
)

func allowed() Set {
	var s Set
	for cpu := range runtime.NumCPU() {
		s.Add(cpu)
	}
	return s
}

// Pin is not there on this system.
func Pin(Place) error { return errors.ErrUnsupported }

// PinProcess is not there on this system.
func PinProcess(Set) error { return errors.ErrUnsupported }
