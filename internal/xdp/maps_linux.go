package xdp

import "encoding/binary"

// The keys and values of the maps. Ports and addresses are as on the wire; VLAN ids are outer first, 0 where there is no tag, and
// without priority bits. Frames of both directions of a flow are looked up as they come: a flow is two entries.
type (
	Flow4Key     = objectFlow4Key
	Flow6Key     = objectFlow6Key
	FlowValue    = objectFlowValue // a slot and an Action
	Host4Key     = objectHost4Key
	Host6Key     = objectHost6Key
	HostValue    = objectHostValue // Until in nanoseconds of CLOCK_MONOTONIC, 0 = for ever; Counter is an index in Counters
	Network4Key  = objectNetwork4Key
	Network6Key  = objectNetwork6Key  // the value of a network is a uint32, an index in Counters
	CounterValue = objectCounterValue // one for each CPU
	SlotValue    = objectSlotValue    // Seen in nanoseconds of CLOCK_MONOTONIC, 0 = no frame yet
)

// What becomes of the frames of a flow that is left alone: FlowValue.Action. All are counted.
const (
	Drop     = 0 // they end here: nobody else sees them
	Pass     = 1 // to this host's network stack, past the sockets
	Redirect = 2 // out of the interface Options.Peer
)

// slotSize is the length of a SlotValue in the memory that the kernel shares with us.
const slotSize = 24

// Slots are the counts of the flows: each entry of Flows4 and Flows6 names one. They lie outside the entries so that they are
// still there when an entry is gone: a frame may be counted for an instant (microseconds) after its flow's entry was deleted. Who
// removes a flow reads its slots one sweep later, and then gives them back. Reading costs no system call.
//
// Slots are for one goroutine at a time.
type Slots struct {
	memory memory
	next   uint32 // none from here on was ever taken
	total  uint32
	free   []uint32
}

// memory is a map that is mapped into our own address space.
type memory interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
}

// Take hands a slot out; ok is false when all are in use.
func (s *Slots) Take() (slot uint32, ok bool) {
	if n := len(s.free); n > 0 {
		slot = s.free[n-1]
		s.free = s.free[:n-1]
		return slot, true
	}
	if s.next == s.total {
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

// Give takes a slot back and clears it.
func (s *Slots) Give(slot uint32) {
	var zero [slotSize]byte
	if slot >= s.next {
		return
	}
	if _, err := s.memory.WriteAt(zero[:], int64(slot)*slotSize); err == nil {
		s.free = append(s.free, slot)
	}
}

// Read returns what a slot has counted. It is zero for a slot that does not exist.
func (s *Slots) Read(slot uint32) (v SlotValue) {
	var b [slotSize]byte
	if slot >= s.total {
		return v
	}
	if _, err := s.memory.ReadAt(b[:], int64(slot)*slotSize); err != nil {
		return v
	}
	v.Packets = binary.NativeEndian.Uint64(b[0:])
	v.Bytes = binary.NativeEndian.Uint64(b[8:])
	v.Seen = binary.NativeEndian.Uint64(b[16:])
	return v
}

// Len returns how many slots there are, and how many are in use.
func (s *Slots) Len() (total, used int) { return int(s.total), int(s.next) - len(s.free) }
