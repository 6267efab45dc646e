package keyword

import (
	"strings"

	"sentinel/decode"
	"sentinel/detect"
)

const protoSCTP = 132

// maxChunks is how many chunks of a packet have a type that rules see.
const maxChunks = 16

// sctpHdr selects the SCTP header and all chunks.
func sctpHdr() detect.Keyword {
	return headerOf("sctp.hdr", "sticky buffer to match on the SCTP header", protoSCTP, func(c *detect.Ctx) []byte {
		if !c.Packet.Is(decode.HasSCTP) {
			return nil
		}
		return head(c.Packet.L4, len(c.Packet.L4))
	})
}

// sctpChunkData selects the user data of each DATA chunk, of as many as decoding looks at.
func sctpChunkData() detect.Keyword {
	return detect.Keyword{Name: "sctp.chunk_data", Doc: "sticky buffer to match on each SCTP DATA chunk payload", Flags: detect.NoValue | detect.Sticky,
		Setup: func(b *detect.Builder, _ string) error {
			if !b.HasProto(protoSCTP) {
				return problem("the rule's protocol has no sctp.chunk_data: write it for sctp, or for ip")
			}
			return b.PacketBuffers("sctp.chunk_data", chunkData, detect.NeedIP|detect.NeedPacket)
		}}
}

// chunkData returns the user data of DATA chunk i (RFC 9260, 3.3.1): it follows a header of 16 bytes, which a chunk that is shorter does
// not have.
func chunkData(c *detect.Ctx, i int) ([]byte, bool) {
	if !c.Packet.Is(decode.HasSCTP) || i >= maxChunks {
		return nil, false
	}
	for b := chunks(c.Packet); len(b) >= 4; b = nextChunk(b) {
		n := int(be16(b[2:4]))
		if b[0] != 0 || n < 16 || n > len(b) {
			continue
		}
		if i--; i >= 0 {
			continue
		}
		if n == 16 {
			return nil, true // nothing to look at, as in the reference
		}
		return b[16:n:n], true
	}
	return nil, false
}

// sctpVtag compares the verification tag.
func sctpVtag() detect.Keyword {
	return integer("sctp.vtag", "", "match on the SCTP verification tag", 32, detect.Prefilterable, detect.NeedIP|detect.NeedPacket,
		func(u detect.Uint) detect.Match { return vtagMatch{u} })
}

// sctpChunkCnt compares the number of chunks.
func sctpChunkCnt() detect.Keyword {
	return integer("sctp.chunk_cnt", "", "match on the SCTP chunk count", 16, detect.Prefilterable, detect.NeedIP|detect.NeedPacket,
		func(u detect.Uint) detect.Match { return chunkCntMatch{u} })
}

// sctpChunkType compares the types of the chunks; one must do.
func sctpChunkType() detect.Keyword {
	return detect.Keyword{Name: "sctp.chunk_type", Doc: "match on any SCTP chunk type in the packet", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		u, err := detect.ParseUint(strings.TrimSpace(v), 8, chunkTypes)
		if err != nil {
			return err
		}
		b.Match("sctp.chunk_type", chunkTypeMatch{u}, detect.NeedIP|detect.NeedPacket)
		return nil
	}}
}

var chunkTypes = map[string]uint64{
	"data": 0, "init": 1, "init_ack": 2, "sack": 3, "heartbeat": 4, "hb_ack": 5, "abort": 6, "shutdown": 7, "shutdown_ack": 8,
	"error": 9, "cookie_echo": 10, "cookie_ack": 11, "ecne": 12, "cwr": 13, "shutdown_complete": 14, "forward_tsn": 192,
}

type (
	vtagMatch      struct{ u detect.Uint }
	chunkCntMatch  struct{ u detect.Uint }
	chunkTypeMatch struct{ u detect.Uint }
)

func (m vtagMatch) Match(c *detect.Ctx) bool {
	return c.Packet.Is(decode.HasSCTP) && len(c.Packet.L4) >= 8 && m.u.Match(uint64(be32(c.Packet.L4[4:8])))
}

func (m chunkCntMatch) Match(c *detect.Ctx) bool {
	if !c.Packet.Is(decode.HasSCTP) {
		return false
	}
	n := uint64(0)
	for b := chunks(c.Packet); len(b) >= 4; b = nextChunk(b) {
		n++
	}
	return m.u.Match(n)
}

func (m chunkTypeMatch) Match(c *detect.Ctx) bool {
	if !c.Packet.Is(decode.HasSCTP) {
		return false
	}
	n := 0
	for b := chunks(c.Packet); len(b) >= 4 && n < maxChunks; b = nextChunk(b) {
		if m.u.Match(uint64(b[0])) {
			return true
		}
		n++
	}
	return false
}

func chunks(p *decode.Packet) []byte {
	if len(p.L4) < 12 {
		return nil
	}
	return p.L4[12:]
}

// nextChunk skips a chunk and its padding, at least four bytes.
func nextChunk(b []byte) []byte {
	n := (int(be16(b[2:4])) + 3) &^ 3
	return b[min(max(n, 4), len(b)):]
}
