// Package dpdk captures from ports of the Data Plane Development Kit by polling: one receive queue, or one software inbox where
// the port cannot share flows out by itself, for each worker. With a second port it is an inline bridge.
//
// Built with the tag dpdk it calls libdpdk; without it, it only knows the settings and says what is missing. What is decided by
// rule (settings, sizes, quirks of drivers, placement) is plain Go and tested in both builds.
//
// The package knows nothing of what is inside a frame but the addresses that a software hash is made of.
package dpdk
