//go:build !linux

package mem

func huge([]byte) {}
