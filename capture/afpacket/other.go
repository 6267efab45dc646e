//go:build !linux

package afpacket

import (
	"errors"

	"sentinel/capture"
)

// Open needs Linux.
func Open(Options) ([]capture.Source, error) {
	return nil, errors.New("AF_PACKET exists on Linux only")
}

// Queues needs Linux.
func Queues(string) int { return 1 }
