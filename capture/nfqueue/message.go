package nfqueue

import (
	"encoding/binary"

	"sentinel/capture"
)

// Sizes of the kernel's headers (include/uapi/linux/netlink.h, nfnetlink.h).
const (
	headerLen = 16 // of a netlink message: length, type, flags, sequence, port; in the host's byte order
	familyLen = 4  // of netfilter's: family, version, queue; the queue in network byte order
	attrLen   = 4  // of an attribute: length and type, in the host's byte order
)

// Message types. Those of a queue have the subsystem in the upper byte.
const (
	typeError        = 2
	subsystem        = 3 << 8
	typePacket       = subsystem | 0
	typeVerdict      = subsystem | 1
	typeConfig       = subsystem | 2
	typeVerdictBatch = subsystem | 3
)

// Attributes of packets and verdicts (include/uapi/linux/netfilter/nfnetlink_queue.h). Their values are in network byte order.
const (
	attrPacket  = 1 // identifier, EtherType, hook
	attrVerdict = 2 // verdict, identifier
	attrMark    = 3
	attrTime    = 4 // seconds and microseconds
	attrPayload = 10
	attrCapLen  = 13 // the length of a packet that is not here in full
	attrInfo    = 14
	attrVLAN    = 19 // nested

	vlanTag = 2 // in attrVLAN
)

// csumNotReady in attrInfo: this host makes the packet, and its checksum is still to be computed.
const csumNotReady = 1

// attrMask takes the flags off an attribute's type.
const attrMask = 0x3fff

// maxAttrs bounds the attributes of a message that are looked at; the kernel sends less than 32.
const maxAttrs = 64

// packet is what a message says of a packet. Its payload is inside the message.
type packet struct {
	payload []byte
	id      uint32
	mark    uint32
	full    uint32 // length of a packet that is not here in full, else 0
	time    int64  // nanoseconds since 1970, 0 = none
	vlan    uint16
	flags   capture.Flags
}

// next splits the first message off b. Type and body are those of the message; ok is false when there is none.
func next(b []byte) (typ uint16, body, rest []byte, ok bool) {
	if len(b) < headerLen {
		return 0, nil, nil, false
	}
	n := uint64(binary.NativeEndian.Uint32(b))
	if n < headerLen || n > uint64(len(b)) {
		return 0, nil, nil, false
	}
	end := (n + 3) &^ 3
	if end > uint64(len(b)) {
		end = uint64(len(b))
	}
	return binary.NativeEndian.Uint16(b[4:]), b[headerLen:n:n], b[end:], true
}

// parse reads the body of a packet's message. It returns false without an identifier: then there is nothing to decide on.
func (p *packet) parse(body []byte) bool {
	*p = packet{}
	if len(body) < familyLen {
		return false
	}
	body = body[familyLen:]
	found := false
	for i := 0; i < maxAttrs && len(body) >= attrLen; i++ {
		n := int(binary.NativeEndian.Uint16(body))
		if n < attrLen || n > len(body) {
			break
		}
		v := body[attrLen:n:n]
		switch binary.NativeEndian.Uint16(body[2:]) & attrMask {
		case attrPacket:
			if len(v) >= 4 {
				p.id, found = binary.BigEndian.Uint32(v), true
			}
		case attrMark:
			if len(v) >= 4 {
				p.mark = binary.BigEndian.Uint32(v)
			}
		case attrTime:
			if len(v) >= 16 {
				// A year beyond 2200 or a fraction above a second is no time.
				if s, us := binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]); s > 0 && s < 1<<33 && us < 1e6 {
					p.time = int64(s)*1e9 + int64(us)*1e3
				}
			}
		case attrPayload:
			p.payload = v
		case attrCapLen:
			if len(v) >= 4 {
				p.full = binary.BigEndian.Uint32(v)
			}
		case attrInfo:
			if len(v) >= 4 && binary.BigEndian.Uint32(v)&csumNotReady != 0 {
				p.flags |= capture.ChecksumOK
			}
		case attrVLAN:
			p.vlan = vlan(v)
		}
		if n = (n + 3) &^ 3; n >= len(body) {
			break
		}
		body = body[n:]
	}
	return found
}

// vlan finds the tag in the attributes of a tag.
func vlan(b []byte) uint16 {
	for i := 0; i < 4 && len(b) >= attrLen; i++ {
		n := int(binary.NativeEndian.Uint16(b))
		if n < attrLen || n > len(b) {
			return 0
		}
		if binary.NativeEndian.Uint16(b[2:])&attrMask == vlanTag && n >= attrLen+2 {
			return binary.BigEndian.Uint16(b[attrLen:])
		}
		if n = (n + 3) &^ 3; n >= len(b) {
			return 0
		}
		b = b[n:]
	}
	return 0
}

// failure reads the body of an error's message: a negative error number, 0 = it is an acknowledgement.
func failure(body []byte) int32 {
	if len(body) < 4 {
		return 0
	}
	return int32(binary.NativeEndian.Uint32(body))
}

// message begins a message to a queue at the end of b.
func message(b []byte, typ, flags, queue uint16) []byte {
	b = binary.NativeEndian.AppendUint32(b, 0) // by finish
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags|1) // a request
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)            // sequence, port
	b = append(b, 0, 0)                              // family, version
	return binary.BigEndian.AppendUint16(b, queue)
}

// attribute begins an attribute with a value of n bytes, which is to be appended.
func attribute(b []byte, typ uint16, n int) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attrLen+n))
	return binary.NativeEndian.AppendUint16(b, typ)
}

// pad fills up to a multiple of four bytes.
func pad(b []byte) []byte {
	for len(b)&3 != 0 {
		b = append(b, 0)
	}
	return b
}

// finish writes the length of the message that begins at start.
func finish(b []byte, start int) []byte {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return pad(b)
}
