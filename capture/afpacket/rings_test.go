//go:build linux

package afpacket_test

import "sentinel/capture/afpacket"

// rings are the ways in which packets come from the kernel.
var rings = map[string]afpacket.Options{
	"blocks": {Ring: afpacket.Blocks}, "slots": {Ring: afpacket.Slots}, "plain": {Ring: afpacket.Plain},
}

// with returns o with the ring of another one.
func with(ring, o afpacket.Options) afpacket.Options {
	o.Ring = ring.Ring
	return o
}
