package jsonw

import (
	"net/netip"
	"strconv"
)

// AppendIP appends an address of 4 or 16 bytes, and nothing for any other length. IPv6 is written as
// eight groups of four digits, or with compress as RFC 5952 says.
func AppendIP(dst, addr []byte, compress bool) []byte {
	switch len(addr) {
	case 4:
		dst = strconv.AppendUint(dst, uint64(addr[0]), 10)
		for _, c := range addr[1:4] {
			dst = append(dst, '.')
			dst = strconv.AppendUint(dst, uint64(c), 10)
		}
	case 16:
		if compress {
			return netip.AddrFrom16([16]byte(addr)).AppendTo(dst)
		}
		for i := 0; i < 16; i += 2 {
			if i > 0 {
				dst = append(dst, ':')
			}
			dst = append(dst, hexDigits[addr[i]>>4], hexDigits[addr[i]&15], hexDigits[addr[i+1]>>4], hexDigits[addr[i+1]&15])
		}
	}
	return dst
}
