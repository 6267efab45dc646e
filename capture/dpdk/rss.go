package dpdk

// Hash functions of receive side scaling, numbered as in rte_ethdev.h.
const (
	rssIPv4 uint64 = 1 << (iota + 2)
	rssFragIPv4
	rssIPv4TCP
	rssIPv4UDP
	rssIPv4SCTP
	rssIPv4Other
	rssIPv6
	rssFragIPv6
	rssIPv6TCP
	rssIPv6UDP
	rssIPv6SCTP
	rssIPv6Other
	rssL2
	rssIPv6Ex
	rssIPv6TCPEx
	rssIPv6UDPEx

	rssL3Source      uint64 = 1 << 63
	rssL3Destination uint64 = 1 << 62

	// rssIP are the functions of addresses only: a flow's fragments stay with it.
	rssIP = rssIPv4 | rssFragIPv4 | rssIPv4Other | rssIPv6 | rssFragIPv6 | rssIPv6Other | rssIPv6Ex
	// rssPorts are those that look at ports.
	rssPorts = rssIPv4TCP | rssIPv4UDP | rssIPv4SCTP | rssIPv6TCP | rssIPv6UDP | rssIPv6SCTP | rssIPv6TCPEx | rssIPv6UDPEx
)

// Offloads, numbered as there.
const (
	rxVLANStrip uint64 = 1 << 0
	rxChecksum  uint64 = 1<<1 | 1<<2 | 1<<3 // IPv4, UDP and TCP
	rxRSSHash   uint64 = 1 << 19

	txMultiSegs uint64 = 1 << 15
)

// maxKey is the longest hash key that is given to a port.
const maxKey = 64

// symmetricKey returns a key of n bytes with which a Toeplitz hash gives both directions of a flow the same value: what is repeated
// every 16 bits does not see that two fields change places.
func symmetricKey(n int) []byte {
	n = min(max(n, 0), maxKey)
	k := make([]byte, n)
	for i := range k {
		k[i] = [2]byte{0x6d, 0x5a}[i%2]
	}
	return k
}
