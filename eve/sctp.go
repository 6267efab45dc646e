package eve

import (
	"encoding/binary"
	"strconv"
)

// sctpChunks are the names of SCTP's chunk types (RFC 9260, RFC 3758).
var sctpChunks = [256]string{"data", "init", "init_ack", "sack", "heartbeat", "hb_ack", "abort", "shutdown", "shutdown_ack", "error",
	"cookie_echo", "cookie_ack", "ecne", "cwr", "shutdown_complete", 0xc0: "forward_tsn"}

// maxSCTPChunks bounds the chunks that an event lists.
const maxSCTPChunks = 16

func (w *Worker) sctp(m []byte) {
	b := &w.b
	var types [maxSCTPChunks]uint8
	n, seen := 0, [256]bool{}
	for c := m[12:]; len(c) >= 4; n++ {
		if n < maxSCTPChunks {
			types[n] = c[0]
		}
		seen[c[0]] = true
		size := int(binary.BigEndian.Uint16(c[2:]))
		if size < 4 || size > len(c) {
			break
		}
		c = c[min((size+3)&^3, len(c)):]
	}
	b.OpenObject("sctp")
	b.Uint("vtag", uint64(binary.BigEndian.Uint32(m[4:])))
	b.Uint("chunk_cnt", uint64(n))
	b.OpenArray("chunk_types")
	for _, t := range types[:min(n, maxSCTPChunks)] {
		if name := sctpChunks[t]; name != "" {
			b.ElemString(name)
			continue
		}
		var text [12]byte
		s := append(text[:0], "unknown("...)
		s = strconv.AppendUint(s, uint64(t), 10)
		b.ElemStr(append(s, ')'))
	}
	b.Close()
	b.Bool("has_init", seen[1])
	b.Bool("has_init_ack", seen[2])
	b.Bool("has_data", seen[0])
	b.Bool("has_abort", seen[6])
	b.Close()
}
