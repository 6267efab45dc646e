//go:build !cgo

package pcre

const uses2 = false
