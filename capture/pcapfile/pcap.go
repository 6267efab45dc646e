package pcapfile

import (
	"io"

	"sentinel/capture"
)

// pcap is what the header of a pcap file says (draft-ietf-opsawg-pcap).
type pcap struct {
	tick    int64 // nanoseconds of a unit of the record's second time field
	record  int   // length of a record's header
	snap    uint32
	link    capture.LinkType
	swapped swapping
}

// swapping says if captured and original length have changed places in the record headers, as some old writers did.
type swapping uint8

const (
	never     swapping = iota
	sometimes          // where it would make sense
	always
)

const fileHeaderLen = 24

// variant recognises the magic number in the file's byte order.
func variant(magic uint32) (pcap, bool) {
	switch magic {
	case 0xa1b2c3d4:
		return pcap{tick: 1000, record: 16}, true
	case 0xa1b23c4d:
		return pcap{tick: 1, record: 16}, true
	case 0xa1b2cd34: // Kuznetzov's: interface, protocol and packet type follow the lengths
		return pcap{tick: 1000, record: 24}, true
	}
	return pcap{}, false
}

func (r *reader) fileHeader() error {
	if err := r.need(fileHeaderLen); err != nil {
		if err == io.EOF {
			return r.failf(ErrTruncated, "the file header has %d of %d bytes", r.end-r.pos, fileHeaderLen)
		}
		r.big = false
		return err // errWait: begin again
	}
	major, minor := r.u16(4), r.u16(6)
	if major != 2 && major != 543 { // 543.0 is a known writer's slip for 2.4
		return r.failf(ErrFormat, "version %d.%d of pcap is not known", major, minor)
	}
	switch {
	case major == 2 && minor < 3:
		r.old.swapped = always
	case major == 2 && minor == 3:
		r.old.swapped = sometimes
	}
	r.old.snap = r.u32(16)
	if r.old.snap == 0 || r.old.snap > maxCaptured {
		r.old.snap = maxCaptured
	}
	// The upper six bits tell of a frame check sequence, which decoders cut off by the lengths inside.
	r.old.link = capture.LinkType(r.u32(20) & 0x03ffffff)
	r.pos += fileHeaderLen
	r.format = classic
	return nil
}

// nextPacket takes a record of a pcap file.
func (r *reader) nextPacket(f *capture.Frame) (bool, error) {
	h := r.old.record
	if r.end-r.pos < h || r.skip > 0 {
		if err := r.need(h); err != nil {
			if err == io.EOF && (r.pos < r.end || r.skip > 0) {
				return false, r.failf(ErrTruncated, "the last record's header has %d of %d bytes", r.end-r.pos, h)
			}
			return false, err
		}
	}
	captured, wire := r.u32(8), r.u32(12)
	if r.old.swapped == always || (r.old.swapped == sometimes && captured > wire) {
		captured, wire = wire, captured
	}
	if captured > maxCaptured {
		return false, r.failf(ErrCorrupt, "a packet of %d bytes, more than %d", captured, maxCaptured)
	}
	n := int(captured)
	if r.end-r.pos < h+n {
		if err := r.need(h + n); err != nil {
			if err == io.EOF {
				return false, r.failf(ErrTruncated, "the last packet has %d of %d bytes", r.end-r.pos-h, n)
			}
			return false, err
		}
	}
	at := int64(r.u32(0))*1e9 + int64(r.u32(4))*r.old.tick
	// A packet longer than the file's own limit is cut to it, as libpcap does.
	r.lend(f, h, min(n, int(r.old.snap)), max(wire, captured), at, r.old.link)
	r.pos += h + n
	return true, nil
}
