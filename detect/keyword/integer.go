package keyword

import "sentinel/detect"

// integer is a keyword that compares an unsigned integer of so many bits.
func integer(name, alias, doc string, bits int, flags detect.KeywordFlags, needs detect.Needs, match func(u detect.Uint) detect.Match) detect.Keyword {
	return detect.Keyword{Name: name, Alias: alias, Doc: doc, Flags: flags, Setup: func(b *detect.Builder, v string) error {
		u, err := detect.ParseUint(v, bits, nil)
		if err != nil {
			return err
		}
		b.Match(name, match(u), needs)
		return nil
	}}
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }
func be32(b []byte) uint32 { return uint32(be16(b))<<16 | uint32(be16(b[2:])) }
