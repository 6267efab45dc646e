package keyword

import (
	"sentinel/decode"
	"sentinel/detect"
)

// ipSrc and ipDst select an address in its binary form, for data sets.
func ipSrc() detect.Keyword {
	return packetBuffer("ip.src", "Sticky buffer for src_ip", detect.NeedIP, func(c *detect.Ctx) []byte { return address(c, &c.Packet.Src) })
}

func ipDst() detect.Keyword {
	return packetBuffer("ip.dst", "Sticky buffer for dest_ip", detect.NeedIP, func(c *detect.Ctx) []byte { return address(c, &c.Packet.Dst) })
}

func address(c *detect.Ctx, a *decode.Addr) []byte {
	switch c.Packet.IPVersion {
	case 4:
		return a[:4:4]
	case 6:
		return a[:]
	}
	return nil
}
