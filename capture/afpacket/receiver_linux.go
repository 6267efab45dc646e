package afpacket

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// receiver is the memory through which a socket's packets come: blocks, slots or plain buffers.
type receiver interface {
	// take lends up to len(batch) frames that are like as.
	take(batch []capture.Frame, as *capture.Frame) int
	// release takes frames back.
	release(batch []capture.Frame)
	// whole returns a lent frame's bytes, with the virtio header before them where there is one, and the type of the VLAN tag
	// that the kernel took out, 0 if it took none. It returns nil if the frame is not one of ours.
	whole(f *capture.Frame) ([]byte, uint16)
	// held is how many frames are lent.
	held() int
	close() error
}

// form is what a receiver knows of its socket, and counts of it.
type form struct {
	raw    bool   // frames begin with the network header
	cooked bool   // and get a pseudo header
	vnet   bool   // a virtio header precedes each frame's bytes
	sums   uint32 // bits of the status which say that a checksum need not be looked at

	failed bool   // reading failed: the interface is down
	losing bool   // the kernel said that it loses packets
	bad    uint64 // frames that the kernel described in a way that makes no sense; never seen, but everything hangs on it
	cut    uint64 // frames that did not fit, and must not go on as they are
}

// The virtio header says what the sender has left to the card: checksums (to be computed from vnetStart on, and stored vnetOffset
// behind that) and segmentation. In the two bytes before it we keep what is in the place of a checksum that is not computed
// yet, which is part of the computation.
const (
	vnetHeader    = 10
	vnetHdrLen    = 2
	vnetStart     = 6
	vnetOffset    = 8
	vnetNeedsSums = 1
	vnetRoom      = vnetHeader + 2
)

// cookedHeader is the length of a LINUX_SLL header. The kernel leaves so much room on sockets of type SOCK_DGRAM.
const cookedHeader = 16

// room is how much of the memory before a frame's bytes is ours to use.
func (m *form) room() int {
	switch {
	case m.vnet:
		return vnetRoom
	case m.cooked:
		return cookedHeader
	}
	return 0
}

// mark sets what the kernel's status says of a frame, and returns the type of the tag that it took out.
func (m *form) mark(f *capture.Frame, status uint32, tci, tpid uint16, kind byte) uint16 {
	if status&m.sums != 0 {
		f.Flags |= capture.ChecksumOK
	}
	if kind == unix.PACKET_OUTGOING {
		f.Flags |= capture.Outgoing
	}
	if status&unix.TP_STATUS_LOSING != 0 {
		m.losing = true
	}
	if status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0
	}
	f.VLAN[0] = tci
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 && tpid != 0 {
		return tpid
	}
	return unix.ETH_P_8021Q
}

// keepSum remembers the place of a checksum that is not computed yet. The frame's bytes begin in mem at room bytes.
func keepSum(mem []byte, room int) {
	h := mem[room-vnetHeader : room : room]
	if h[0]&vnetNeedsSums == 0 {
		return
	}
	at := int(binary.NativeEndian.Uint16(h[vnetStart:])) + int(binary.NativeEndian.Uint16(h[vnetOffset:]))
	if b := mem[room:]; at+2 <= len(b) {
		copy(mem[room-vnetRoom:room-vnetHeader], b[at:at+2])
	}
}

// restoreSum puts it back into a frame that was changed: the kernel completes it when the frame is sent.
func restoreSum(mem []byte, room int) {
	h := mem[room-vnetHeader : room : room]
	if h[0]&vnetNeedsSums == 0 {
		return
	}
	at := int(binary.NativeEndian.Uint16(h[vnetStart:])) + int(binary.NativeEndian.Uint16(h[vnetOffset:]))
	if b := mem[room:]; at+2 <= len(b) {
		copy(b[at:at+2], mem[room-vnetRoom:room-vnetHeader])
	}
}

// outgoing returns the frame whose bytes begin at from and end at to in mem as it is to be sent: behind its virtio header, if frames
// have one.
func (m *form) outgoing(mem []byte, from, to int, v capture.Verdict) []byte {
	if !m.vnet {
		return mem[from:to]
	}
	if v == capture.Modified {
		restoreSum(mem[from-vnetRoom:to], vnetRoom)
	}
	return mem[from-vnetHeader : to]
}

// cook writes the pseudo header of a packet (LINUX_SLL of the LINKTYPE_ registry) from its address, a struct sockaddr_ll.
func cook(h, addr []byte) {
	_, _ = h[cookedHeader-1], addr[19]
	binary.BigEndian.PutUint16(h[0:], uint16(addr[10]))
	binary.BigEndian.PutUint16(h[2:], binary.NativeEndian.Uint16(addr[8:]))
	binary.BigEndian.PutUint16(h[4:], uint16(addr[11]))
	copy(h[6:14], addr[12:20])
	copy(h[14:16], addr[2:4])
}

// A token has the frame's block or slot, above it the type of the VLAN tag that the kernel took out (0 = none), and above that
// where the bytes begin.
const (
	tokenID   = 0xffff
	tokenTPID = 16
	tokenData = 32
)
