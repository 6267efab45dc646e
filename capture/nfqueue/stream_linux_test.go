//go:build linux

package nfqueue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sentinel/capture"
	"sentinel/qa/live"
)

// checksum adds up 16-bit words as RFC 1071 does.
func checksum(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return sum
}

// A stream that the kernel sends in pieces larger than the MTU comes as packets that are whole, no larger than the MTU, and with
// checksums that are right or known to be of no concern. What the receiver reads is what was sent.
func TestStream(t *testing.T) {
	live.New(t)
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetMTU(lo, 1500)
	}
	if err != nil {
		t.Fatal(err)
	}
	firewall(t, "-A OUTPUT -p tcp -j NFQUEUE --queue-num 1")
	s := queue(t, Options{Queue: 1})[0]
	l, err := net.Listen("tcp4", "127.0.0.1:7001")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const size = 4 << 20
	sent, got := sha256.New(), sha256.New()
	done := make(chan error, 2)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = io.Copy(got, c)
		}
		done <- err
	}()
	stop := make(chan struct{})
	failed := make(chan string, 1)
	go func() {
		defer close(stop)
		batch := make([]capture.Frame, 64)
		for ends := 0; ends < 2; {
			n, err := s.Read(context.Background(), batch)
			if err != nil {
				return
			}
			for i := range batch[:n] {
				if bad := wrong(&batch[i]); bad != "" {
					select {
					case failed <- bad:
					default:
					}
				}
			}
			if s.Release(batch[:n]) != nil {
				return
			}
			if n == 0 {
				select {
				case <-done:
					ends++
				default:
				}
			}
		}
	}()
	// The socket must be made in this namespace; what it sends waits for the reader.
	c, err := net.DialTimeout("tcp4", "127.0.0.1:7001", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		r := rand.New(rand.NewPCG(1, 2))
		b := make([]byte, 64<<10)
		for n := 0; n < size; n += len(b) {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			sent.Write(b)
			if _, err := c.Write(b); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case <-stop:
	case <-time.After(30 * time.Second):
		t.Fatal("the stream does not end")
	}
	if a, b := sent.Sum(nil), got.Sum(nil); string(a) != string(b) {
		t.Errorf("what arrives is not what was sent: %+v", s.Stats())
	}
	select {
	case bad := <-failed:
		t.Error(bad)
	default:
	}
}

func wrong(f *capture.Frame) string {
	b := f.Data
	if len(b) > 1500 {
		return "a packet is larger than the MTU"
	}
	if len(b) < 40 || b[0] != 0x45 || b[9] != 6 {
		return "not a TCP packet"
	}
	if n := int(binary.BigEndian.Uint16(b[2:])); n != len(b) || f.WireLen != uint32(n) {
		return "the packet is not whole"
	}
	if checksum(0, b[:20]) != 0xffff {
		return "the checksum of IP is wrong"
	}
	pseudo := checksum(uint32(6+len(b)-20), b[12:20])
	if checksum(pseudo, b[20:]) != 0xffff && f.Flags&capture.ChecksumOK == 0 {
		return "the checksum of TCP is wrong, and nothing says why"
	}
	return ""
}
