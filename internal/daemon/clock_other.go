//go:build !linux

package daemon

// monotonic is not needed here: the managers that want it are Linux's.
func monotonic() int64 { return 0 }
