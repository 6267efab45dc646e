//go:build !linux

package xdp

import (
	"errors"

	"sentinel/bypass"
	"sentinel/capture"
)

// Open reports that there is no XDP here, where a target asks for it.
func Open(targets []capture.Target) (bypass.Offloader, error) {
	for i := range targets {
		if targets[i].Get("bypass").Bool(false) {
			return nil, errors.New("XDP needs Linux")
		}
	}
	return nil, nil
}

// OpenShared is Open.
func OpenShared(targets []capture.Target) (bypass.Offloader, error) { return Open(targets) }

// Early drops nothing here.
type Early struct{ bypass.EarlyDropper }

// OpenEarly reports that there is no XDP here.
func OpenEarly([]string, string, int, int) (*Early, error) { return nil, errors.New("XDP needs Linux") }

// Close does nothing.
func (*Early) Close() error { return nil }

// Offloader carries nothing here.
type Offloader struct{ bypass.Offloader }
