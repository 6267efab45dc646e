//go:build !linux

package afxdp

import (
	"errors"

	"sentinel/capture"
)

// Open needs Linux.
func Open(Options) ([]capture.Source, error) {
	return nil, errors.New("AF_XDP exists on Linux only")
}
