package keyword

import (
	"sentinel/detect"
	"sentinel/detect/chain"
)

// uricontent is content on the URI of HTTP requests, in an older notation.
func uricontent() detect.Keyword {
	return detect.Keyword{Name: "uricontent", Doc: "legacy keyword to match on the request URI buffer", Flags: detect.Quoted | detect.Negatable | detect.Deprecated, Setup: func(b *detect.Builder, v string) error {
		if b.Sticky() {
			return problem("\"uricontent\" keyword seen with a sticky buffer still set")
		}
		if err := content(b, v); err != nil {
			return err
		}
		return b.ModifierTo("uricontent", "http.uri")
	}}
}

// pktData selects the payload again.
func pktData() detect.Keyword {
	return detect.Keyword{Name: "pkt_data", Doc: "reset sticky buffer to payload", Flags: detect.NoValue, Setup: func(b *detect.Builder, _ string) error {
		return b.Payload()
	}}
}

// rawbytes is there for Snort's rules and does nothing.
func rawbytes() detect.Keyword {
	return detect.Keyword{Name: "rawbytes", Doc: "included for compatibility with Snort", Flags: detect.NoValue, Setup: func(b *detect.Builder, _ string) error {
		if b.Sticky() {
			return problem("\"rawbytes\" cannot be combined with a sticky buffer: pkt_data selects the payload again")
		}
		c := b.LastPayload()
		if c == nil {
			return problem("rawbytes needs a preceding content option")
		}
		if c.RawBytes {
			return problem("can't use multiple rawbytes modifiers for the same content")
		}
		c.RawBytes = true
		return nil
	}}
}

// replace writes other bytes over a content, inline.
func replace() detect.Keyword {
	return detect.Keyword{Name: "replace", Doc: "only to be used in IPS-mode. Change the following content into another", Flags: detect.Quoted | detect.Negatable, Setup: func(b *detect.Builder, v string) error {
		data, err := chain.ParseBytes(v)
		if err != nil {
			return err
		}
		c := b.Last()
		switch {
		case c == nil || b.Sticky():
			return problem("replace needs preceding content option")
		case c.Negated:
			return problem("can't have a replace keyword for a negated content")
		case len(c.Replace) > 0:
			return problem("can't use multiple replaces for the same content")
		case len(c.Data) != len(data):
			return problem("replace with a different size than the content")
		}
		c.Replace = data
		b.PacketOnly()
		return nil
	}}
}
