//go:build unix && !linux

package daemon

import "golang.org/x/sys/unix"

func limit(*unix.Rlimit, uint64) {}

func dumpable(bool) error { return nil }
