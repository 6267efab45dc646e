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
