//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"
)

// total is the ones' complement sum (RFC 1071) of data and of words before it.
func total(b []byte, sum uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// right tells which checksums of a frame are right: of the IPv4 header and of TCP or UDP.
func right(b []byte) (ip, l4 bool) {
	if len(b) < 34 || binary.BigEndian.Uint16(b[12:]) != 0x0800 {
		return false, false
	}
	h := b[14:]
	n, size := int(h[0]&15)*4, int(binary.BigEndian.Uint16(h[2:]))
	if size > len(h) || n > size || binary.BigEndian.Uint16(h[6:])&0x3fff != 0 || h[9] != 6 && h[9] != 17 {
		return total(h[:min(n, len(h))], 0) == 0xffff, false
	}
	return total(h[:n], 0) == 0xffff, total(h[n:size], uint32(total(h[12:20], 0))+uint32(h[9])+uint32(size-n)) == 0xffff
}

// Under another mask a packet has other addresses, its checksums are as right as before, and the way back leads to the same bytes.
func TestCover(t *testing.T) {
	files, err := filepath.Glob("../pcaps/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	checked := 0
	for _, file := range files {
		all, _, err := loadTraffic(file, 1514)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			p := &all[i]
			was := bytes.Clone(p.data)
			ip, l4 := right(p.data)
			from := uint16(0)
			for _, to := range []uint16{1, 0xff00, 0xffff, 0x1234} {
				p.cover(from, to)
				from = to
				if nowIP, nowL4 := right(p.data); nowIP != ip || nowL4 != l4 {
					t.Fatalf("%s: frame %d under %#x: checksums %v %v, were %v %v", file, i, to, nowIP, nowL4, ip, l4)
				}
				if p.addrs[0] != 0 && bytes.Equal(p.data, was) {
					t.Fatalf("%s: frame %d is the same under %#x", file, i, to)
				}
			}
			if l4 {
				checked++
			}
			if p.cover(from, 0); !bytes.Equal(p.data, was) {
				// A checksum of 0 and of 0xffff mean the same.
				if ip2, l42 := right(p.data); ip2 != ip || l42 != l4 {
					t.Fatalf("%s: frame %d is another one in the end", file, i)
				}
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d checksums were right to begin with", checked)
	}
}
