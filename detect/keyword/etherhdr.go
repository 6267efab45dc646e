package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

// etherHdr selects the header of Ethernet, without VLAN tags.
func etherHdr() detect.Keyword {
	return packetBuffer("ether.hdr", "sticky buffer to match on the Ethernet header", detect.NeedPacket, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasEthernet) {
			return nil
		}
		return head(c.Packet.L2, 14)
	})
}
