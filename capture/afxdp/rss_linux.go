package afxdp

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// How a card spreads flows over its queues: the answer to ETHTOOL_GRSSH, struct ethtool_rxfh. Words: command, context, size of the
// table of queues, size of the key in bytes, hash function and transformation, reserved; then the table, then the key.
const (
	ethtoolRSS = 0x00000046
	rssTable   = 2
	rssKey     = 3
	rssHow     = 4
	rssHead    = 6

	toeplitz   = 1 << 0 // ETH_RSS_HASH_TOP
	symmetries = 1 | 2  // RXH_XFRM_SYM_XOR, RXH_XFRM_SYM_OR_XOR
)

// maxRSS bounds the words of an answer: no card comes near.
const maxRSS = 1 << 16

// symmetricRSS reports whether a card is known to bring both directions of a flow to the same queue.
func symmetricRSS(d device) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	head := make([]uint32, rssHead)
	head[0] = ethtoolRSS
	if ethtool(fd, d.name, head) != nil || head[rssTable] > maxRSS || head[rssKey] > maxRSS {
		return false
	}
	all := make([]uint32, rssHead+head[rssTable]+(head[rssKey]+3)/4)
	all[0], all[rssTable], all[rssKey] = ethtoolRSS, head[rssTable], head[rssKey]
	return ethtool(fd, d.name, all) == nil && symmetric(all)
}

// symmetric judges an answer. The hash of Toeplitz is symmetric if the card mixes the two sides of a flow before, or if the key repeats
// itself every 16 bits, the distance that addresses and ports are exchanged by (a multiple of it).
func symmetric(rss []uint32) bool {
	how := bytesOf(rss[rssHow])
	if how[1]&symmetries != 0 {
		return true
	}
	at := rssHead + int(rss[rssTable])
	size := int(rss[rssKey])
	if how[0]&toeplitz == 0 || size < 40 || len(rss) < at+(size+3)/4 {
		return false
	}
	key := make([]byte, 0, size+3)
	for _, w := range rss[at:] {
		b := bytesOf(w)
		key = append(key, b[:]...)
	}
	for i := range size {
		if key[i] != key[i&1] {
			return false
		}
	}
	return true
}

// bytesOf returns a word as it lies in memory.
func bytesOf(w uint32) (b [4]byte) {
	binary.NativeEndian.PutUint32(b[:], w)
	return b
}
