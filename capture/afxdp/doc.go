// Package afxdp captures from a Linux network interface through AF_XDP sockets, one for each receive queue: frames come from the
// driver, past the network stack. With a second interface it is an inline bridge, in which frames move from one to the other
// without being copied.
//
// The package knows nothing of what is inside a frame. The XDP program that feeds the sockets is internal/xdp's.
package afxdp
