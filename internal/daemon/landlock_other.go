//go:build !linux

package daemon

import "errors"

// ErrNoLandlock says that the kernel has no Landlock.
var ErrNoLandlock = errors.New("this system has no Landlock")

// Landlock is not there on this system.
func Landlock(read, write []string) error { return ErrNoLandlock }
