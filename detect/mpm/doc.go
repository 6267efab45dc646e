// Package mpm is the contract of multi-pattern matching: which of many patterns occur in a buffer.
//
// An Engine compiles patterns to Sets, which workers share; each worker has a Scanner, gathers the
// buffers of a packet in it and scans them all at once. What a pattern stands for is the caller's
// business: this package must not know rules.
package mpm
