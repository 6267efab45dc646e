//go:build linux

package afpacket

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// ringFrame writes a frame of a block as the kernel does.
func ringFrame(mem []byte, at, next, snap, length, mac int, status uint32) {
	binary.NativeEndian.PutUint32(mem[at+frameNext:], uint32(next))
	binary.NativeEndian.PutUint32(mem[at+frameSnap:], uint32(snap))
	binary.NativeEndian.PutUint32(mem[at+frameLen:], uint32(length))
	binary.NativeEndian.PutUint32(mem[at+frameStatus:], status)
	binary.NativeEndian.PutUint16(mem[at+frameMAC:], uint16(mac))
	binary.NativeEndian.PutUint16(mem[at+frameNet:], uint16(mac))
}

func block(mem []byte, frames uint32, first int) {
	binary.NativeEndian.PutUint32(mem[blockStatus:], unix.TP_STATUS_USER)
	binary.NativeEndian.PutUint32(mem[blockFrames:], frames)
	binary.NativeEndian.PutUint32(mem[blockFirst:], uint32(first))
}

// forms are the ways in which frames lie in a ring.
var forms = [...]form{{}, {vnet: true}, {raw: true}, {raw: true, cooked: true}}

// drain takes all that is there, with a bound, and checks that frames lie in the memory.
func drain(t *testing.T, r receiver, m *form, mem []byte) {
	t.Helper()
	batch := make([]capture.Frame, 16)
	for range 2000 {
		n := r.take(batch, &capture.Frame{})
		for i := range batch[:n] {
			f := &batch[i]
			if len(f.Data) > len(mem) || cap(f.Data) != len(f.Data) || int(f.WireLen) < len(f.Data) {
				t.Fatalf("frame of %d bytes, %d on the wire", len(f.Data), f.WireLen)
			}
			f.Verdict = capture.Modified
			if b, _ := r.whole(f); b == nil || len(b) < len(f.Data) {
				t.Fatalf("a lent frame is not whole: %d of %d bytes", len(b), len(f.Data))
			}
		}
		r.release(batch[:n])
		if n == 0 {
			return
		}
	}
}

// Whatever is in the memory, reading it ends, and stays inside.
func FuzzBlocks(f *testing.F) {
	good := make([]byte, 4096)
	block(good, 2, 48)
	ringFrame(good, 48, 256, 60, 60, 96, unix.TP_STATUS_VLAN_VALID)
	ringFrame(good, 304, 0, 70, 90, 96, unix.TP_STATUS_LOSING)
	f.Add(uint8(0), good)
	f.Add(uint8(1), good)
	loop := make([]byte, 4096)
	block(loop, 1<<31, 48)
	ringFrame(loop, 48, 0, 60, 60, 10, 0)
	f.Add(uint8(2), loop)
	far := make([]byte, 4096)
	block(far, 3, 1<<31-1)
	f.Add(uint8(3), far)
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		const size, n = 4096, 3
		mem := make([]byte, size*n)
		copy(mem, data)
		m := forms[int(kind)%len(forms)]
		r := newBlocks(&m, mem, size, n)
		drain(t, r, &m, mem)
		if r.held() != 0 {
			t.Errorf("%d frames are lent", r.held())
		}
	})
}

// The same of slots. Frames that are longer than one are not made up: their socket is none.
func FuzzSlots(f *testing.F) {
	slot := func(status uint32, length, snap, mac int) []byte {
		b := make([]byte, 2048)
		binary.NativeEndian.PutUint32(b[slotStatus:], status)
		binary.NativeEndian.PutUint32(b[slotLen:], uint32(length))
		binary.NativeEndian.PutUint32(b[slotSnap:], uint32(snap))
		binary.NativeEndian.PutUint16(b[slotMAC:], uint16(mac))
		binary.NativeEndian.PutUint16(b[slotNet:], uint16(mac))
		return b
	}
	f.Add(uint8(0), slot(unix.TP_STATUS_USER, 60, 60, 80))
	f.Add(uint8(1), append(slot(unix.TP_STATUS_USER|unix.TP_STATUS_VLAN_VALID, 60, 60, 80), slot(unix.TP_STATUS_USER, 60, 60, 20)...))
	f.Add(uint8(1), slot(unix.TP_STATUS_USER, 9000, 1900, 80))
	f.Add(uint8(3), slot(unix.TP_STATUS_USER, 60, 1<<31-1, 80))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		const size, block, n = 2048, 4096, 2
		mem := make([]byte, block*n)
		copy(mem, data)
		for i := 0; i < len(mem); i += size {
			binary.NativeEndian.PutUint32(mem[i:], binary.NativeEndian.Uint32(mem[i:])&^unix.TP_STATUS_COPY)
		}
		m := forms[int(kind)%len(forms)]
		r := newSlots(&m, -1, mem, size, block, n)
		drain(t, r, &m, mem)
		if r.held() != 0 {
			t.Errorf("%d frames are lent", r.held())
		}
	})
}

// The two frames of a block come as they are described.
func TestBlocks(t *testing.T) {
	mem := make([]byte, 8192)
	block(mem, 2, 48)
	ringFrame(mem, 48, 256, 60, 60, 96, unix.TP_STATUS_VLAN_VALID|unix.TP_STATUS_VLAN_TPID_VALID)
	binary.NativeEndian.PutUint32(mem[48+frameTCI:], 7)
	binary.NativeEndian.PutUint16(mem[48+frameTPID:], 0x88a8)
	ringFrame(mem, 304, 0, 70, 90, 96, 0)
	m := form{}
	r := newBlocks(&m, mem, 4096, 2)
	batch := make([]capture.Frame, 4)
	if n := r.take(batch, &capture.Frame{Iface: 5}); n != 2 {
		t.Fatalf("%d frames", n)
	}
	if f := batch[0]; len(f.Data) != 60 || f.VLAN[0] != 7 || f.Iface != 5 || f.Flags != 0 {
		t.Errorf("%+v", f)
	}
	if _, tpid := r.whole(&batch[0]); tpid != 0x88a8 {
		t.Errorf("tag of type %#x", tpid)
	}
	if f := batch[1]; len(f.Data) != 70 || f.WireLen != 90 || f.Flags != capture.Truncated {
		t.Errorf("%+v", f)
	}
	if *r.status(0) != unix.TP_STATUS_USER {
		t.Error("the block is given back too early")
	}
	r.release(batch[:1])
	r.release(batch[1:2])
	if *r.status(0) != unix.TP_STATUS_KERNEL {
		t.Error("the block is not given back")
	}
}
