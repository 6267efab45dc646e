package detect

import (
	"cmp"
	"net/netip"
	"slices"

	"sentinel/decode"
)

// HostBitLeft is a bit that is set for a host.
type HostBitLeft struct {
	ID      uint32
	Seconds uint64 // until it expires
}

func hostKey(a netip.Addr) bitKey {
	a = a.Unmap()
	k := bitKey{kind: HostBit, version: 6}
	if a.Is4() {
		k.version = 4
		b := a.As4()
		copy(k.a[:], b[:])
	} else {
		k.a = decode.Addr(a.As16())
	}
	return k
}

// SetHostBit sets a bit of a host for some seconds. now is in nanoseconds. It may be called while packets are judged, as the
// other methods for hosts may. It reports false when there is no room.
func (s *Shared) SetHostBit(a netip.Addr, id uint32, now int64, seconds uint32) bool {
	k := hostKey(a)
	k.id = id
	s.bits.set(k, now, now+int64(seconds)*second)
	return s.bits.isset(k, now)
}

// ClearHostBit clears a bit of a host.
func (s *Shared) ClearHostBit(a netip.Addr, id uint32) {
	k := hostKey(a)
	k.id = id
	s.bits.unset(k)
}

// HostBits lists the bits that are set for a host, by id. known says that the host has been given bits that were not cleared,
// even if they have expired.
func (s *Shared) HostBits(a netip.Addr, now int64) (list []HostBitLeft, known bool) {
	want := hostKey(a)
	for i := range s.bits.shards {
		sh := &s.bits.shards[i]
		sh.mu.Lock()
		for k, t := range sh.m {
			id := k.id
			if k.id = 0; k != want {
				continue
			}
			known = true
			if t > now {
				list = append(list, HostBitLeft{id, uint64(t/second - now/second)})
			}
		}
		sh.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b HostBitLeft) int { return cmp.Compare(a.ID, b.ID) })
	return list, known
}

// HostMemcap is how many bytes the bits of hosts and pairs of hosts may take.
func (s *Shared) HostMemcap() uint64 { return s.bits.memcap.Load() }

// SetHostMemcap changes that. Bits that are set stay.
func (s *Shared) SetHostMemcap(n uint64) { s.bits.memcap.Store(n) }

// HostMemuse is how many bytes they take.
func (s *Shared) HostMemuse() (n uint64) {
	for i := range s.bits.shards {
		sh := &s.bits.shards[i]
		sh.mu.Lock()
		n += uint64(len(sh.m)) * bitSize
		sh.mu.Unlock()
	}
	return n
}
