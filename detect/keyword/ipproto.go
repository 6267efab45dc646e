package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// ipProto narrows the rule to IP protocols: a name or number, or with "!", "<" or ">" all but it, below or above it. It may be
// used several times, but an equality stands alone.
func ipProto() detect.Keyword {
	return detect.Keyword{Name: "ip_proto", Doc: "match on the IP protocol in the packet-header", Flags: detect.MaybeQuoted, Setup: func(b *detect.Builder, v string) error {
		op, p, err := parseIPProto(v)
		if err != nil {
			return err
		}
		if !b.ProtoAny() {
			return problem("ip_proto can only be used in rules of the protocol ip")
		}
		uses := map[byte]int{}
		for _, o := range b.Rule().Options {
			if strings.EqualFold(o.Name, "ip_proto") {
				x, _, _ := parseIPProto(strings.Trim(strings.TrimSpace(o.Value), `"`))
				uses[x]++
			}
		}
		switch all := uses['='] + uses['<'] + uses['>'] + uses['!']; {
		case uses['='] > 0 && all > 1:
			return problem("can't use a eq ipproto along with another ipproto in the same sig")
		case uses['>'] > 1 || uses['<'] > 1:
			return problem("can't use a greater than or less than ipproto twice in the same sig")
		}
		b.Need(detect.NeedIP | detect.NeedPacket)
		return b.NarrowProtos(func(x uint8) bool {
			switch op {
			case '<':
				return x < p
			case '>':
				return x > p
			case '!':
				return x != p
			}
			return x == p
		})
	}}
}

func parseIPProto(v string) (op byte, p uint8, err error) {
	op = '='
	s := v
	if s != "" && strings.IndexByte("!<>", s[0]) >= 0 {
		op, s = s[0], strings.TrimLeft(s[1:], " \t")
	}
	if s == "" || strings.ContainsAny(s, " \t") {
		return op, 0, problem("cannot parse the protocol \"" + v + "\"")
	}
	if s[0] < '0' || s[0] > '9' {
		p, ok := protoByName(s)
		if !ok {
			return op, 0, problem("Unknown protocol name: \"" + s + "\"")
		}
		return op, p, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		// "3PC" is the only name that begins with a digit.
		return op, 0, problem("Malformed protocol number: " + s)
	}
	return op, uint8(n), nil
}
