// Package pcaplive captures from a Linux network interface as programs with libpcap do: of any type, with one source unless
// more are asked for. It needs no libpcap: it is another way of asking capture/afpacket.
//
// The package knows nothing of what is inside a frame.
package pcaplive
