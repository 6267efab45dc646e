//go:build !linux

package daemon

import "errors"

// NoProcesses is not there on this system.
func NoProcesses() error { return errors.ErrUnsupported }
