// Package hyperscan is the multi-pattern engine on libhyperscan (or Vectorscan, which has the same
// interface), by cgo. Builds without cgo have Available = false and New fails.
//
// Patterns are compiled in block mode and reported once a buffer. Everything that C reads lives outside
// the Go heap or is passed as an argument for the time of one call.
package hyperscan
