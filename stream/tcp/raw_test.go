package tcp

import (
	"fmt"
	"math/rand"
	"net/netip"
	"strings"
	"testing"

	"sentinel/decode"
	"sentinel/stream/flow"
)

// chunks returns what rules would look at now.
func (r *rig) chunks(deep bool) string {
	var b strings.Builder
	if !r.tr.RawReady(&r.u, r.u.Dir, r.out.Added) {
		return ""
	}
	for d, off, ok := r.tr.Raw(&r.u, r.u.Dir, deep); ok; d, off, ok = r.tr.RawNext(&r.u, r.u.Dir) {
		fmt.Fprintf(&b, "%d:%s ", off, d)
	}
	r.tr.RawDone(&r.u, r.u.Dir)
	r.tr.Prune(r.f, r.u.Dir)
	return strings.TrimSpace(b.String())
}

func (r *rig) wantChunks(deep bool, want string) {
	r.t.Helper()
	if got := r.chunks(deep); got != want {
		r.t.Errorf("chunks %q, want %q", got, want)
	}
}

func TestRawIDS(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Chunk = [2]uint32{10, 10}
	r := newRig(t, cfg)
	r.noPrune = true
	r.open()
	r.data(0, "abcdef")
	r.ack(6)
	r.data(6, "gh")
	r.wantChunks(false, "") // 6 acknowledged bytes are less than a chunk
	r.data(8, "ijkl")
	r.ack(12)
	r.data(12, "m")
	r.wantChunks(false, "0:abcdefghijkl")
	r.ack(13)
	r.data(13, "n")
	r.wantChunks(false, "")
	r.tr.TriggerRaw(r.f, toServer) // a message is complete
	r.wantChunks(false, "12:m")
	r.ack(14)
	r.data(14, "o")
	r.tr.SetMinInspectDepth(r.f, toServer, 2)
	r.tr.TriggerRaw(r.f, toServer)
	r.wantChunks(true, "13:n") // what lies before is gone
	r.ack(15)
	r.data(15, "p")
	r.tr.TriggerRaw(r.f, toServer)
	r.wantChunks(true, "13:no")
	r.shutdown()
}

func TestRawGap(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Chunk = [2]uint32{1, 1}
	r := newRig(t, cfg)
	r.noPrune = true
	r.open()
	r.data(0, "abc")
	r.data(5, "fgh")
	r.ack(8)
	r.data(8, "i")
	r.wantChunks(false, "0:abc 5:fgh")
	r.ack(9)
	r.data(9, "j")
	r.wantChunks(false, "5:fghi") // as Suricata does: what follows a gap is seen once more
	r.shutdown()
}

func TestRawInline(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Inline = true
	cfg.Chunk = [2]uint32{9, 9}
	r := newRig(t, cfg)
	r.noPrune = true
	r.open()
	r.data(0, "abc")
	r.wantChunks(false, "0:abc")
	r.data(3, "def")
	r.wantChunks(false, "0:abcdef")
	r.data(6, "ghi")
	r.wantChunks(false, "0:abcdefghi")
	r.data(9, "jkl")
	r.wantChunks(false, "3:defghijkl") // the window slides
	r.data(15, "pqr")
	r.wantChunks(false, "15:pqr") // behind a hole
	r.data(12, "mno")
	r.wantChunks(false, "9:jklmnopqr") // as much on both sides
	r.shutdown()
}

func TestStopReassembly(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.noPrune = true
	r.open()
	r.data(0, "abc")
	r.ack(3)
	r.tr.StopReassembly(r.f, toServer)
	r.data(3, "secret")
	r.wantChunks(false, "0:abc") // once more
	r.data(9, "secret")
	r.ack(15)
	r.data(15, "secret")
	r.wantChunks(false, "")
	if s := r.tr.Session(r.f).Stream[0]; s.Flags&NoReassembly == 0 || s.segHead != 0 {
		t.Error("data is still kept")
	}
	r.shutdown()
	r.want(toServer, "abc")
}

func TestForEachAndWindow(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.noPrune = true
	r.consume = func(flow.Dir, []byte, uint64, bool) (int, int) { return 0, 0 }
	r.open()
	r.data(0, "abc")
	r.data(5, "fgh")
	r.ack(7)
	for _, c := range []struct {
		off  uint64
		all  bool
		want string
	}{{0, false, "0abc 2fg "}, {0, true, "0abc 2fgh "}, {1, true, "0bc 2fgh "}, {4, true, "1fgh "}, {9, true, ""}} {
		var b strings.Builder
		r.tr.ForEach(r.f, toServer, c.off, c.all, func(d []byte, gap uint64) bool {
			fmt.Fprintf(&b, "%d%s ", gap, d)
			return true
		})
		if b.String() != c.want {
			t.Errorf("from %d, all %v: %q, want %q", c.off, c.all, b.String(), c.want)
		}
	}
	if d, off := r.tr.Window(r.f, toServer, 1); string(d) != "g" || off != 6 {
		t.Errorf("window %q at %d", d, off)
	}
	r.shutdown()
}

func TestKeepHoldsBytes(t *testing.T) {
	cfg := DefaultConfig()
	cfg.NoRaw = true
	r := newRig(t, cfg)
	r.open()
	r.data(0, "abcdef")
	r.ack(6)
	r.tr.Keep(r.f, toServer, 2)
	r.data(6, "g")
	if d, off, ok := r.tr.Chunk(r.f, toServer, 0, true); !ok || off != 2 || string(d) != "cdefg" {
		t.Errorf("kept %q at %d", d, off)
	}
	r.tr.Release(r.f, toServer)
	r.data(7, "h")
	if _, off, _ := r.tr.Chunk(r.f, toServer, 0, true); off != 6 {
		t.Errorf("still kept from %d", off)
	}
	r.shutdown()
}

// TestSwapWhileOffered lets the application layer find out that client and server are the wrong way round.
func TestSwapWhileOffered(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Midstream = true
	r := newRig(t, cfg)
	r.onData = func(u *Context, d flow.Dir) {
		r.onData = nil
		r.tr.Swap(u.Flow)
		u.Flow.Swap()
		u.Dir = u.Dir.Other()
	}
	r.send(pkt{d: toClient, fl: decode.ACK, seq: 1, ack: 1, data: "SSH-"}) // the server speaks first
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 1, ack: 5})
	if r.f.SrcPort != 1234 || string(r.got[toServer]) != "SSH-" {
		t.Errorf("client port %d, offered as to server: %q", r.f.SrcPort, r.got[toServer])
	}
	r.send(pkt{d: toClient, fl: decode.ACK, seq: 5, ack: 1, data: "2.0"})
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 1, ack: 8})
	r.want(toClient, "2.0")
	r.shutdown()
}

func TestRefusedGapIsReportedAgain(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.stopGap = true
	r.open()
	r.data(3, "def")
	r.ack(6)
	r.data(6, "ghi")
	r.ack(9)
	if len(r.gaps[0]) != 2 || r.gaps[0][1] != "0+3" {
		t.Errorf("gaps %v", r.gaps[0])
	}
	r.tr.DisableAppDir(r.f, toServer)
	r.data(9, "jkl")
	r.ack(12)
	if len(r.gaps[0]) != 2 {
		t.Errorf("gaps %v", r.gaps[0])
	}
	r.shutdown()
}

// TestConflictingOverlaps sends conflicting data at random and expects that each byte is the first, or the last, that was
// sent, also where segments lie within each other.
func TestConflictingOverlaps(t *testing.T) {
	for seed := range int64(200) {
		rnd := rand.New(rand.NewSource(seed))
		for _, p := range []Policy{PolicyFirst, PolicyLast} {
			cfg := DefaultConfig()
			cfg.Hosts = &Hosts{}
			cfg.Hosts.Add(netip.MustParsePrefix("0.0.0.0/0"), p)
			r := newRig(t, cfg)
			r.seq[0] = rnd.Uint32()
			r.open()
			size := 2 + rnd.Intn(300)
			model := make([]byte, size)
			put := func(a, b int) {
				s := make([]byte, b-a)
				rnd.Read(s)
				for i := range s {
					s[i] |= 1
					if model[a+i] == 0 || p == PolicyLast {
						model[a+i] = s[i]
					}
				}
				r.data(uint32(a), string(s))
			}
			for range rnd.Intn(40) {
				a := rnd.Intn(size - 1)
				put(a, min(size, a+2+rnd.Intn(60))) // one byte could be a keep-alive
			}
			put(0, size)
			r.ack(uint32(size))
			if string(r.got[0]) != string(model) {
				t.Fatalf("seed %d, %v: wrong bytes", seed, p)
			}
			r.shutdown()
		}
	}
}

// TestManySegments keeps more segments than have a record.
func TestManySegments(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	want := make([]byte, 20000)
	for i := range want {
		want[i] = byte('a' + i%26)
	}
	for i := 1; i < len(want); i++ {
		r.data(uint32(i), string(want[i:i+1]))
	}
	if n := r.tr.Session(r.f).Stream[0].segLen; n > maxSegments {
		t.Errorf("%d segments", n)
	}
	r.data(0, string(want[:1]))
	r.ack(20000)
	r.want(toServer, string(want))
	r.shutdown()
}
