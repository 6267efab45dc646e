// Package xdp carries bypassed flows in the XDP program of an interface, before the kernel makes packets of frames, and has it
// drop hosts and networks.
//
// The package knows the maps of internal/xdp and the contract of bypass. It never decides which flow is bypassed.
package xdp
