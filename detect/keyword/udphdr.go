package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

const protoUDP = 17

// udpHdr selects the UDP header.
func udpHdr() detect.Keyword {
	return headerOf("udp.hdr", "sticky buffer to match on the UDP header", protoUDP, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasUDP) {
			return nil
		}
		return head(c.Packet.L4, 8)
	})
}
