package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
)

// maxLoaded bounds the bytes of a capture that are kept in memory.
const maxLoaded = 512 << 20

// packet is a frame that can be sent as part of new flows: a mask is put over the last two bytes of both addresses, and the checksums
// are mended, so that they stay as right or wrong as they were.
type packet struct {
	data []byte
	// Places in data; 0 = none.
	addrs    [2]uint16
	sum, l4  uint16 // checksums of the IPv4 header and of the transport
	optional bool   // a transport checksum of 0 stays 0 (RFC 768)
}

// loadTraffic reads frames of up to limit bytes; long is how many were longer.
func loadTraffic(path string, limit int) (all []packet, long int, err error) {
	src, err := pcapfile.Open(path, pcapfile.Options{})
	if err != nil {
		return nil, 0, err
	}
	defer src.Close()
	var batch [64]capture.Frame
	total := 0
	for {
		n, err := src.Read(context.Background(), batch[:])
		for i := range batch[:n] {
			f := &batch[i]
			switch {
			case f.Link != capture.LinkEthernet:
				return nil, 0, fmt.Errorf("%s: frames of link type %d are not of Ethernet", path, f.Link)
			case len(f.Data) > limit:
				long++
			case len(f.Data) >= 14 && total < maxLoaded:
				total += len(f.Data)
				all = append(all, dissect(append([]byte(nil), f.Data...)))
			}
		}
		if rerr := src.Release(batch[:n]); rerr != nil {
			return nil, 0, rerr
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if len(all) == 0 {
		return nil, 0, fmt.Errorf("%s has no frames", path)
	}
	return all, long, nil
}

// dissect finds addresses and checksums of a frame.
func dissect(b []byte) packet {
	p := packet{data: b}
	at := 12
	for range 2 {
		if len(b) >= at+6 && (binary.BigEndian.Uint16(b[at:]) == 0x8100 || binary.BigEndian.Uint16(b[at:]) == 0x88a8) {
			at += 4
		}
	}
	if len(b) < at+2 {
		return p
	}
	ip := at + 2
	proto, next := byte(0), 0
	switch binary.BigEndian.Uint16(b[at:]) {
	case 0x0800:
		if len(b) < ip+20 {
			return p
		}
		p.addrs = [2]uint16{uint16(ip + 14), uint16(ip + 18)}
		p.sum = uint16(ip + 10)
		if binary.BigEndian.Uint16(b[ip+6:])&0x1fff == 0 {
			proto, next = b[ip+9], ip+int(b[ip]&15)*4
		}
	case 0x86dd:
		if len(b) < ip+40 {
			return p
		}
		p.addrs = [2]uint16{uint16(ip + 22), uint16(ip + 38)}
		proto, next = b[ip+6], ip+40 // behind extension headers nothing is mended
	}
	switch {
	case proto == 6 && len(b) >= next+18:
		p.l4 = uint16(next + 16)
	case proto == 17 && len(b) >= next+8:
		p.l4, p.optional = uint16(next+6), true
	case proto == 58 && len(b) >= next+4:
		p.l4 = uint16(next + 2)
	}
	return p
}

// cover changes the mask over the addresses of a packet from one to another.
func (p *packet) cover(from, to uint16) {
	if p.addrs[0] == 0 || from == to {
		return
	}
	for _, at := range p.addrs {
		was := binary.BigEndian.Uint16(p.data[at:])
		now := was ^ from ^ to
		binary.BigEndian.PutUint16(p.data[at:], now)
		if p.sum != 0 {
			p.mend(p.sum, was, now)
		}
		if p.l4 != 0 && !(p.optional && p.data[p.l4] == 0 && p.data[p.l4+1] == 0) {
			p.mend(p.l4, was, now)
			if p.optional && p.data[p.l4] == 0 && p.data[p.l4+1] == 0 {
				p.data[p.l4], p.data[p.l4+1] = 0xff, 0xff
			}
		}
	}
}

// mend puts a checksum right for a word that has changed (RFC 1624, equation 3).
func (p *packet) mend(at, was, now uint16) {
	sum := uint32(^binary.BigEndian.Uint16(p.data[at:])) + uint32(^was) + uint32(now)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(p.data[at:], ^uint16(sum))
}
