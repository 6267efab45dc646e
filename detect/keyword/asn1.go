package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
)

// asn1 looks for objects in BER whose lengths have hurt decoders: "oversize_length N", "bitstring_overflow" and
// "double_overflow", from "absolute_offset N" or "relative_offset N" on.
func asn1() detect.Keyword {
	return detect.Keyword{Name: "asn1", Setup: func(b *detect.Builder, v string) error {
		a, err := parseASN1(v)
		if err != nil {
			return err
		}
		b.PacketOnly()
		return b.Elem(&chain.Check{Checker: a})
	}}
}

// asn1Frames bounds the objects, side by side and one in another, that are looked at.
const asn1Frames = 30

type asn1Check struct {
	bits, double         bool
	oversize             uint64
	hasOversize          bool
	offset               int
	isRelative, isOffset bool
}

func parseASN1(v string) (asn1Check, error) {
	var a asn1Check
	bad := problem("Malformed asn1 argument: " + v)
	words := strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(words) == 0 {
		return a, bad
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch w {
		case "bitstring_overflow":
			a.bits = true
			continue
		case "double_overflow":
			a.double = true
			continue
		}
		if i++; i == len(words) {
			return a, bad
		}
		n, err := strconv.ParseInt(words[i], 10, 64)
		switch {
		case err != nil || words[i][0] == '+':
			return a, bad
		case w == "oversize_length" && n >= 0 && n < 1<<32:
			a.oversize, a.hasOversize = uint64(n), true
		case w == "absolute_offset" && n >= 0 && n <= 65535:
			a.offset, a.isOffset, a.isRelative = int(n), true, false
		case w == "relative_offset" && n >= -65535 && n <= 65535:
			// An absolute offset has the say if both are given.
			if !a.isOffset {
				a.offset, a.isRelative = int(n), true
			}
		default:
			return a, bad
		}
	}
	return a, nil
}

// Check implements chain.Checker.
func (a asn1Check) Check(data []byte, pos int) chain.Verdict {
	at := a.offset
	if a.isRelative {
		at += pos
	}
	if at < 0 || at > 65535 || at >= len(data) {
		return chain.NoMatch
	}
	data = data[at:]
	hit := false
	for n := 0; len(data) > 0; n++ {
		if n == asn1Frames {
			return chain.NoMatch // so many objects are not looked at at all
		}
		size, found, ok := a.object(data, asn1Frames)
		if !ok {
			break // what came before it counts
		}
		hit = hit || found
		data = data[size:]
	}
	if hit {
		return chain.Match
	}
	return chain.NoMatch
}

// The universal tags that are looked into (X.680, 8.4).
const (
	tagBoolean   = 1
	tagBitString = 3
	tagNull      = 5
	tagReal      = 9
	tagSequence  = 16
	tagSet       = 17
)

// object reads the object at the start of b (X.690, 8.1). size is its length with its header; hit says that it, or one in it,
// is what the rule looks for. Only sequences and sets are looked into.
func (a asn1Check) object(b []byte, depth int) (size int, hit, ok bool) {
	tag, hdr, n, definite, ok := berHeader(b)
	if !ok || depth == 0 {
		return 0, false, false
	}
	universal, constructed := b[0]&0xc0 == 0, b[0]&0x20 != 0
	open := universal && constructed && (tag == tagSequence || tag == tagSet)
	if !definite {
		// The end is two zero bytes. Each round consumes at least two.
		for at := hdr; ; {
			if len(b)-at >= 2 && b[at] == 0 && b[at+1] == 0 {
				return at + 2, hit, true
			}
			inner, found, ok := a.object(b[at:], depth-1)
			if !ok {
				return 0, false, false
			}
			hit = hit || open && found
			at += inner
		}
	}
	if n > uint64(len(b)-hdr) {
		return 0, false, false
	}
	data := b[hdr : hdr+int(n)]
	if universal && !constructed && (tag == tagBoolean && n != 1 || tag == tagNull && n != 0 || tag == tagBitString && n == 0) {
		return 0, false, false
	}
	hit = a.hasOversize && n > a.oversize
	if universal && !constructed && n > 0 {
		hit = hit || a.bits && tag == tagBitString && uint64(data[0]) > 8*n
		hit = hit || a.double && tag == tagReal && data[0]&0xc0 == 0 && n > 256
	}
	if open {
		for rest := data; len(rest) > 0; {
			inner, found, ok := a.object(rest, depth-1)
			if !ok {
				return 0, false, false
			}
			hit = hit || found
			rest = rest[inner:]
		}
	}
	return hdr + int(n), hit, true
}

// berHeader reads identifier and length octets; hdr is how many they are. Without a definite length n is zero.
func berHeader(b []byte) (tag uint32, hdr int, n uint64, definite, ok bool) {
	if len(b) < 2 {
		return 0, 0, 0, false, false
	}
	tag, hdr = uint32(b[0]&0x1f), 1
	if tag == 0x1f {
		tag = 0
		for {
			if hdr == len(b) || hdr > 5 {
				return 0, 0, 0, false, false
			}
			c := b[hdr]
			tag = tag<<7 | uint32(c&0x7f)
			hdr++
			if c&0x80 == 0 {
				break
			}
		}
	}
	if hdr == len(b) {
		return 0, 0, 0, false, false
	}
	l := b[hdr]
	hdr++
	switch k := int(l & 0x7f); {
	case l < 0x80:
		return tag, hdr, uint64(l), true, true
	case k == 0:
		return tag, hdr, 0, false, b[0]&0x20 != 0
	case k > 8 || k > len(b)-hdr:
		return 0, 0, 0, false, false
	default:
		for _, c := range b[hdr : hdr+k] {
			n = n<<8 | uint64(c)
		}
		return tag, hdr + k, n, true, true
	}
}
