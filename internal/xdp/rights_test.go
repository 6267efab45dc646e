//go:build linux

package xdp

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// lowly calls f on a thread without capabilities, which ends with the goroutine.
func lowly(f func() error) error {
	runtime.LockOSThread()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return err
	}
	return f()
}
