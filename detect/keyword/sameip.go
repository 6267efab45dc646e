package keyword

import "sentinel/detect"

// sameIP asks for a packet to its own source.
func sameIP() detect.Keyword {
	return detect.Keyword{Name: "sameip", Doc: "check if the IP address of the source is the same as the IP address of the destination", Flags: detect.NoValue, Setup: func(b *detect.Builder, _ string) error {
		b.Match("sameip", sameIPMatch{}, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

type sameIPMatch struct{}

func (sameIPMatch) Match(c *detect.Ctx) bool { return c.Packet.Src == c.Packet.Dst }
