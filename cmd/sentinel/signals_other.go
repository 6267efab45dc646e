//go:build !unix

package main

import "syscall"

// The signals that a running engine obeys. Nobody can send the first one here.
const (
	signalReload = syscall.Signal(-1)
	signalReopen = syscall.SIGHUP
)
