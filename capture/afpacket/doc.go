// Package afpacket captures from a Linux network interface through AF_PACKET: one TPACKET_V3 ring for each worker,
// joined in a fanout group so that a flow stays with one worker. With a second interface it is an inline bridge.
//
// The package knows nothing of what is inside a frame.
package afpacket
