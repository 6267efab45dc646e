package keyword

import (
	"strings"

	"sentinel/detect"
)

// l3Proto narrows the rule to IPv4 or IPv6.
func l3Proto() detect.Keyword {
	return detect.Keyword{Name: "l3_proto", Setup: func(b *detect.Builder, v string) error {
		switch strings.ToLower(v) {
		case "ipv4", "ip4":
			return b.NarrowVersion(4)
		case "ipv6", "ip6":
			return b.NarrowVersion(6)
		}
		return problem("Invalid l3 proto: \"" + v + "\"")
	}}
}
