//go:build unix

package main

import "syscall"

// The signals that a running engine obeys.
const (
	signalReload = syscall.SIGUSR2
	signalReopen = syscall.SIGHUP
)
