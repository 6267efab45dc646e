package decode

import "net/netip"

// AddrFrom4 returns the Addr of an IPv4 address.
func AddrFrom4(b [4]byte) Addr {
	var a Addr
	copy(a[:4], b[:])
	return a
}

// AddrFromNetip returns a as an Addr, and 4 or 6. An IPv4-mapped IPv6 address stays IPv6.
func AddrFromNetip(a netip.Addr) (Addr, uint8) {
	if a.Is4() {
		return AddrFrom4(a.As4()), 4
	}
	return a.As16(), 6
}

// As4 returns the first four bytes: the address, if it is IPv4.
func (a *Addr) As4() [4]byte { return [4]byte(a[:4]) }

// As16 returns the address as 16 bytes, an IPv4 address in the mapped form ::ffff:a.b.c.d.
func (a *Addr) As16(version uint8) [16]byte {
	if version != 4 {
		return *a
	}
	return [16]byte{10: 0xff, 11: 0xff, 12: a[0], 13: a[1], 14: a[2], 15: a[3]}
}

// Netip returns the address as a [netip.Addr].
func (a *Addr) Netip(version uint8) netip.Addr {
	if version == 4 {
		return netip.AddrFrom4(a.As4())
	}
	return netip.AddrFrom16(*a)
}

// AppendText appends the address in the form of inet_ntop.
func (a *Addr) AppendText(b []byte, version uint8) []byte {
	if version != 4 && a.mapped() {
		// inet_ntop writes all of ::a.b.c.d and ::ffff:a.b.c.d with dots; netip only the latter.
		return a.Netip(6).AppendTo(b)
	}
	if version != 4 && a.compatible() {
		b = append(b, "::"...)
		return netip.AddrFrom4([4]byte(a[12:16])).AppendTo(b)
	}
	return a.Netip(version).AppendTo(b)
}

// String returns the address in the form of inet_ntop.
func (a *Addr) String(version uint8) string { return string(a.AppendText(nil, version)) }

// mapped reports whether a lies in ::ffff:0:0/96.
func (a *Addr) mapped() bool {
	return zero(a[:10]) && a[10] == 0xff && a[11] == 0xff
}

// compatible reports whether a is an IPv4-compatible address as inet_ntop sees it: in ::/96 with one of the bytes 12
// and 13 set, so that ::1 and ::1234 are not.
func (a *Addr) compatible() bool {
	return zero(a[:12]) && a[12]|a[13] != 0
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
