//go:build dpdk && cgo

package dpdk

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// twin is the hash in C.
var twin = hashC

func TestConstants(t *testing.T) {
	want := []uint64{rssIPv4, rssFragIPv4, rssIPv4TCP, rssIPv4UDP, rssIPv4SCTP, rssIPv4Other, rssIPv6, rssFragIPv6, rssIPv6TCP, rssIPv6UDP, rssIPv6SCTP,
		rssIPv6Other, rssL2, rssIPv6Ex, rssIPv6TCPEx, rssIPv6UDPEx, rssL3Source, rssL3Destination, rssIP, rxVLANStrip, rxChecksum, rxRSSHash, txMultiSegs}
	if got := constantsC(); !slices.Equal(got, want) {
		t.Errorf("%#x\nwant %#x", got, want)
	}
}

func TestHashTwins(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	types := []uint16{0x0800, 0x86dd, 0x8100, 0x88a8, 0x8864, 0x8847, 0x806}
	for range 20000 {
		b := make([]byte, r.IntN(100))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		for at := 12; at+1 < len(b) && at < 30; at += 4 {
			typ := types[r.IntN(len(types))]
			b[at], b[at+1] = byte(typ>>8), byte(typ)
		}
		for _, ports := range []uint64{0, 1} {
			if x, y := hash(b, ports), hashC(b, ports); x != y {
				t.Fatalf("%x: %#x, in C %#x", b, x, y)
			}
		}
	}
}
