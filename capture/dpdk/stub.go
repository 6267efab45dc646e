//go:build !dpdk || !cgo

package dpdk

import (
	"errors"

	"sentinel/capture"
)

// Built reports whether this build can call libdpdk.
const Built = false

func open(*capture.Target, *Settings) ([]capture.Source, error) {
	return nil, errors.New("this build has no DPDK: build with -tags dpdk (libdpdk-dev)")
}
