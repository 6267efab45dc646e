// Package transform holds the transforms of sticky buffers, a file each. A transform is pure: bytes in, bytes out.
//
// It knows nothing of rules or packets.
package transform
