//go:build dpdk && cgo

package dpdk

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sentinel/capture"
)

// frame is an Ethernet frame with IPv4 and UDP of flow n, in one of its directions.
func frame(n int, back bool, size int) []byte {
	b := make([]byte, max(size, 60))
	copy(b, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0})
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
	b[22], b[23] = 64, 17
	src, dst := []byte{10, byte(n >> 16), byte(n >> 8), byte(n)}, []byte{192, 0, 2, 1}
	sport, dport := uint16(1024+n%50000), uint16(53)
	if back {
		src, dst, sport, dport = dst, src, dport, sport
	}
	copy(b[26:], src)
	copy(b[30:], dst)
	binary.BigEndian.PutUint16(b[34:], sport)
	binary.BigEndian.PutUint16(b[36:], dport)
	binary.BigEndian.PutUint16(b[38:], uint16(len(b)-34))
	for i := 42; i < len(b); i++ {
		b[i] = byte(n + i)
	}
	return b
}

// pcap writes frames into a file.
func pcap(t testing.TB, name string, frames ...[]byte) {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 1<<18)
	b = binary.LittleEndian.AppendUint32(b, 1)
	for i, f := range frames {
		b = binary.LittleEndian.AppendUint32(b, 1700000000)
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// readPcap returns the frames of a file that net_pcap has written.
func readPcap(t testing.TB, name string) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[min(24, len(b)):]; len(b) >= 16; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		if len(b) < 16+n {
			t.Fatalf("%s ends within a frame", name)
		}
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return frames
}

// collect reads until want frames are there, and then until nothing comes any more. The data is copied.
func collect(t testing.TB, s capture.Source, want int) []capture.Frame {
	t.Helper()
	var got []capture.Frame
	batch := make([]capture.Frame, 64)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		n, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range batch[:n] {
			if cap(f.Data) != len(f.Data) {
				t.Fatal("data is not capped")
			}
			f.Data = bytes.Clone(f.Data)
			got = append(got, f)
		}
		if err := s.Release(batch[:n]); err != nil {
			t.Fatal(err)
		}
		if n == 0 && len(got) >= want {
			break
		}
	}
	return got
}

func TestNull(t *testing.T) {
	if !child(t) {
		return
	}
	all, log := start(t, params+`
    vdev: net_null0
  interfaces:
    - interface: net_null0
      threads: 1
`, "net_null0")
	s := all[0][0]
	batch := make([]capture.Frame, 256)
	ctx := context.Background()
	read := func() {
		n, err := s.Read(ctx, batch)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if f := batch[0]; len(f.Data) != 64 || f.WireLen != 64 || f.Link != capture.LinkEthernet || f.Iface != 3 || f.Queue != 0 {
			t.Fatalf("%+v", f)
		}
		if d := time.Since(time.Unix(0, batch[0].Time)); d < -time.Second || d > time.Minute {
			t.Fatalf("a frame is %v old", d)
		}
		if err := s.Release(batch[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if allocs := testing.AllocsPerRun(1000, read); allocs != 0 {
		t.Errorf("%v allocations a batch", allocs)
	}
	begin := time.Now()
	before := s.Stats().Received
	for time.Since(begin) < 500*time.Millisecond {
		read()
	}
	st := s.Stats()
	t.Logf("%.1f million frames a second", float64(st.Received-before)/time.Since(begin).Seconds()/1e6)
	if st.Bytes != st.Received*64 || st.Dropped != 0 || st.Errors != 0 || st.Invalid != 0 {
		t.Errorf("%+v", st)
	}
	log.has(t, "net_null0: driver net_null")
}

func TestPcapFile(t *testing.T) {
	if !child(t) {
		return
	}
	dir := t.TempDir()
	var frames [][]byte
	for i := range 1000 {
		frames = append(frames, frame(i, false, 60+i))
	}
	pcap(t, filepath.Join(dir, "in.pcap"), frames...)
	all, _ := start(t, params+`
    vdev: net_pcap0,rx_pcap=`+filepath.Join(dir, "in.pcap")+`,tx_pcap=`+filepath.Join(dir, "out.pcap")+`
  interfaces:
    - interface: net_pcap0
      threads: 1
`, "net_pcap0")
	s := all[0][0]
	got := collect(t, s, len(frames))
	if len(got) != len(frames) {
		t.Fatalf("%d of %d frames", len(got), len(frames))
	}
	for i, f := range got {
		if !bytes.Equal(f.Data, frames[i]) {
			t.Fatalf("frame %d has other bytes", i)
		}
	}
}
