//go:build !linux

package nfqueue

import (
	"errors"

	"sentinel/capture"
)

// Open needs Linux.
func Open([]Options, capture.Log) ([]capture.Source, error) {
	return nil, errors.New("NFQUEUE exists on Linux only")
}
