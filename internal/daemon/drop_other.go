//go:build !linux

package daemon

import "errors"

// A Capability is a right of root's that a process can have alone. There are none here.
type Capability uint

// The capabilities have no meaning here.
const (
	NetAdmin Capability = iota
	NetRaw
	IPCLock
	SysNice
	RawIO
	BPF
	PerfMon
)

// Drop is not there on this system.
func Drop(*Identity, []Capability) error { return errors.ErrUnsupported }
