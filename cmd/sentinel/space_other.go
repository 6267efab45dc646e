//go:build !linux

package main

import (
	"errors"
	"os"
)

// writable says why files cannot be made in a folder.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".sentinel-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// space is known on Linux only.
func space(string) (bytes, files uint64, err error) { return 0, 0, errors.ErrUnsupported }
