package keyword

import (
	"strconv"
	"strings"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
)

// nfqSetMark marks the packet for the firewall once the rule has matched: "mark/mask". It is for packets from a netfilter queue, and
// does nothing to others.
func nfqSetMark() detect.Keyword {
	return detect.Keyword{Name: "nfq_set_mark", Doc: "set the netfilter mark of packets that come from NFQUEUE", Setup: func(b *detect.Builder, v string) error {
		mark, mask, ok := strings.Cut(v, "/")
		if !ok {
			return problem("\"" + v + "\" has no mask: write MARK/MASK, such as 0x10/0xff")
		}
		var m setMark
		var err error
		if m.mark, err = markNumber(mark); err != nil {
			return err
		}
		if m.mask, err = markNumber(mask); err != nil {
			return err
		}
		b.Post("nfq_set_mark", m, 0)
		return nil
	}}
}

// markNumber reads a number as in C: decimal, octal after 0, hexadecimal after 0x.
func markNumber(text string) (uint32, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil || strings.Trim(text, "0123456789abcdefABCDEFxX") != "" || strings.HasPrefix(strings.ToLower(text), "0b") { // Go's own notations
		return 0, problem("\"" + text + "\" is not a number from 0 to 0xffffffff: hexadecimal ones begin with 0x")
	}
	return uint32(n), nil
}

type setMark struct{ mark, mask uint32 }

// Match marks the frame. A tunnel may carry several flows: what one of them matched does not mark it, as in the reference. Datagrams
// that were put together of fragments mark the last one.
func (m setMark) Match(c *detect.Ctx) bool {
	p := c.Packet
	if f := p.Frame; f != nil && f.Flags&capture.Markable != 0 && (p.Flags&(decode.Tunneled|decode.IsTunnel) == 0 || p.Has(decode.Reassembled)) {
		f.SetMark(m.mark, m.mask)
	}
	return true
}
