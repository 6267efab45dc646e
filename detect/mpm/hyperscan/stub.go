//go:build !cgo

package hyperscan

import (
	"errors"

	"sentinel/detect/mpm"
)

// Available reports whether this build has the engine.
const Available = false

// Trim does nothing: there is no memory of a C library.
func Trim() {}

// New fails: this build has no cgo.
func New() (mpm.Engine, error) {
	return nil, errors.New("hyperscan is not in this build, which is without cgo")
}
