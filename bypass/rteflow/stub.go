//go:build !dpdk || !cgo

package rteflow

import "errors"

// openPort needs DPDK.
func openPort(string) (Flows, error) {
	return nil, errors.New("this build has no DPDK: build with -tags dpdk (libdpdk-dev)")
}
