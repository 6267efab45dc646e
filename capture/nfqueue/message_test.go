package nfqueue

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"sentinel/capture"
)

// host writes a netlink message of attributes in the host's byte order, as the kernel's headers define it.
func host(typ uint16, attrs ...[]byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, make([]byte, 10)...)
	b = append(b, 2, 0, 0, 7) // AF_INET, version 0, queue 7
	for _, a := range attrs {
		b = append(b, a...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

func attr(typ uint16, v ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
	return append(binary.NativeEndian.AppendUint16(b, typ), v...)
}

func TestParse(t *testing.T) {
	id := attr(1, 0, 0, 1, 2, 8, 0, 3)
	payload := attr(10, 0x45, 1, 2, 3, 4)
	for _, c := range []struct {
		name  string
		attrs [][]byte
		ok    bool
		want  packet
	}{
		{"empty", nil, false, packet{}},
		{"payload only", [][]byte{payload}, false, packet{}},
		{"identifier", [][]byte{id}, true, packet{id: 0x102}},
		{"mark", [][]byte{id, attr(3, 0, 0, 0xab, 0xcd), payload}, true, packet{id: 0x102, mark: 0xabcd}},
		{"time", [][]byte{id, attr(4, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5), payload}, true, packet{id: 0x102, time: 0x60000000*1e9 + 5000}},
		{"absurd time", [][]byte{id, attr(4, 0xff, 0, 0, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5)}, true, packet{id: 0x102}},
		{"cut off", [][]byte{id, attr(13, 0, 1, 0, 0), payload}, true, packet{id: 0x102, full: 65536}},
		{"checksum to come", [][]byte{id, attr(14, 0, 0, 0, 1)}, true, packet{id: 0x102, flags: capture.ChecksumOK}},
		{"not verified", [][]byte{id, attr(14, 0, 0, 0, 4)}, true, packet{id: 0x102}},
		{"vlan", [][]byte{id, attr(19|0x8000, append(append(attr(1, 0x81, 0), 0, 0), append(attr(2, 0, 42), 0, 0)...)...)}, true, packet{id: 0x102, vlan: 42}},
		{"short attributes", [][]byte{attr(3, 1), attr(4), attr(13, 2), attr(14), attr(19, 0, 1), id}, true, packet{id: 0x102}},
	} {
		t.Run(c.name, func(t *testing.T) {
			typ, body, rest, ok := next(host(typePacket, c.attrs...))
			if !ok || typ != typePacket || len(rest) != 0 {
				t.Fatal(typ, ok, rest)
			}
			var p packet
			if got := p.parse(body); got != c.ok {
				t.Fatal(got)
			}
			if !c.ok {
				return
			}
			last := c.attrs[len(c.attrs)-1]
			if last[4] == 0x45 && string(p.payload) != string(last[4:]) {
				t.Errorf("payload %x", p.payload)
			}
			if len(p.payload) != cap(p.payload) {
				t.Error("the payload is not capped")
			}
			p.payload = nil
			if p.id != c.want.id || p.mark != c.want.mark || p.time != c.want.time || p.full != c.want.full || p.vlan != c.want.vlan || p.flags != c.want.flags {
				t.Errorf("got %+v, want %+v", p, c.want)
			}
		})
	}
}

func TestNext(t *testing.T) {
	whole := host(typePacket, attr(1, 0, 0, 0, 1, 8, 0, 3))
	for n := range whole {
		if _, _, _, ok := next(whole[:n]); ok {
			t.Errorf("%d bytes of %d are a message", n, len(whole))
		}
	}
	two := append(append([]byte{}, whole...), host(typeError, nil)...)
	_, _, rest, _ := next(two)
	if typ, _, _, ok := next(rest); !ok || typ != typeError {
		t.Error(typ, ok)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(host(typePacket, attr(1, 0, 0, 0, 1, 8, 0, 3), attr(3, 1, 2, 3, 4), attr(10, 0x45, 0, 0, 20)))
	f.Add(host(typePacket, attr(1, 0, 0, 0, 1, 8, 0, 3), attr(19|0x8000, append(attr(2, 0, 42), 0, 0)...)))
	f.Add(host(typeError, []byte{0xff, 0xff, 0xff, 0xff}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for range 8 {
			_, body, rest, ok := next(b)
			if !ok {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no step forward")
			}
			var p packet
			p.parse(body)
			if len(p.payload) > len(body) {
				t.Fatal("more payload than message")
			}
			failure(body)
			b = rest
		}
	})
}

func TestDecide(t *testing.T) {
	marks := Options{RepeatMark: 0xff01, RepeatMask: 1, BypassMark: 0xf0, BypassMask: 0x30}
	with := func(m Mode) Options {
		o := marks
		o.Mode, o.RouteQueue = m, 9
		return o
	}
	for _, c := range []struct {
		name string
		o    Options
		v    capture.Verdict
		mark uint32
		want decision
	}{
		{"accept", with(ModeAccept), capture.Accept, 0xa0, decision{verdict: 1}},
		{"drop", with(ModeRepeat), capture.Drop, 0xa0, decision{verdict: 0}},
		{"modified", with(ModeAccept), capture.Modified, 0xa0, decision{verdict: 1}},
		{"bypass", with(ModeAccept), capture.Bypass, 0x81, decision{verdict: 1, mark: 0xb1, marked: true}},
		{"bypass without a mask", Options{BypassMark: 1}, capture.Bypass, 0x80, decision{verdict: 1}},
		{"repeat", with(ModeRepeat), capture.Accept, 0xa0, decision{verdict: 4, mark: 0xa1, marked: true}},
		{"repeat and bypass", with(ModeRepeat), capture.Bypass, 0x80, decision{verdict: 4, mark: 0xb1, marked: true}},
		{"route", with(ModeRoute), capture.Accept, 0xa0, decision{verdict: 0x90003}},
		{"route and bypass", with(ModeRoute), capture.Bypass, 0, decision{verdict: 0x90003, mark: 0x30, marked: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.o.decide(c.v, c.mark); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	// What rules mark a packet with, and then what modes and bypassing do (the reference's source-nfq.c).
	for _, c := range []struct {
		name       string
		o          Options
		v          capture.Verdict
		mark, mask uint32
		was        uint32
		want       decision
	}{
		{"no mark", with(ModeAccept), capture.Accept, 0, 0, 0xa0, decision{verdict: 1}},
		{"mark", with(ModeAccept), capture.Accept, 0x12, 0xff, 0xab00, decision{verdict: 1, mark: 0xab12, marked: true}},
		{"mark under a mask", with(ModeAccept), capture.Accept, 0xff, 0x0f, 0xa0, decision{verdict: 1, mark: 0xaf, marked: true}},
		{"mark of zero", with(ModeAccept), capture.Modified, 0, 0xf0, 0xab, decision{verdict: 1, mark: 0x0b, marked: true}},
		{"drop", with(ModeAccept), capture.Drop, 0x12, 0xff, 0, decision{verdict: 0}},
		{"route", with(ModeRoute), capture.Accept, 0x12, 0xff, 0, decision{verdict: 0x90003, mark: 0x12, marked: true}},
		{"repeat", with(ModeRepeat), capture.Accept, 0x12, 0xff, 0, decision{verdict: 4, mark: 0x13, marked: true}},
		{"bypass", with(ModeAccept), capture.Bypass, 0x02, 0x0f, 0x80, decision{verdict: 1, mark: 0xb2, marked: true}},
	} {
		t.Run("rule: "+c.name, func(t *testing.T) {
			f := capture.Frame{Verdict: c.v}
			f.SetMark(c.mark, c.mask)
			if got := c.o.judge(&f, c.was); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	o := with(ModeRepeat)
	if !o.judged(0x11) || o.judged(0x10) {
		t.Error("the mark of mode repeat is not told")
	}
}

// sent splits what is to be sent into "type verdict id mark payload".
func sent(t *testing.T, b []byte) []string {
	t.Helper()
	var all []string
	for len(b) > 0 {
		typ, body, rest, ok := next(b)
		if !ok {
			t.Fatalf("not a message: %x", b)
		}
		if body[2] != 0 || body[3] != 7 {
			t.Errorf("queue %x", body[2:4])
		}
		s := []string{"single"}
		if typ == typeVerdictBatch {
			s[0] = "batch"
		}
		for body = body[4:]; len(body) > 0; {
			n := int(binary.NativeEndian.Uint16(body))
			s = append(s, hex.EncodeToString(body[4:n]))
			body = body[min((n+3)&^3, len(body)):]
		}
		all = append(all, strings.Join(s, " "))
		b = rest
	}
	return all
}

func TestVerdicts(t *testing.T) {
	accept, drop := decision{verdict: nfAccept}, decision{verdict: nfDrop}
	marked := decision{verdict: nfAccept, mark: 5, marked: true}
	for _, c := range []struct {
		name  string
		limit int
		add   func(v *verdicts)
		want  []string
	}{
		{"one", 100, func(v *verdicts) { v.add(1, accept) }, []string{"single 0000000100000001"}},
		{"run", 100, func(v *verdicts) { v.add(1, accept); v.add(2, accept); v.add(3, accept) }, []string{"batch 0000000100000003"}},
		{"limit", 2, func(v *verdicts) { v.add(1, drop); v.add(2, drop); v.add(3, drop) }, []string{"batch 0000000000000002", "single 0000000000000003"}},
		{"mixed", 100, func(v *verdicts) {
			v.add(1, accept)
			v.add(2, accept)
			v.add(3, drop)
			v.add(4, marked)
			v.add(5, marked)
			v.addPayload(6, accept, []byte{1, 2, 3})
			v.add(7, accept)
		}, []string{"batch 0000000100000002", "single 0000000000000003", "batch 0000000100000005 00000005", "single 0000000100000006 010203", "single 0000000100000007"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verdicts{queue: 7, limit: c.limit, buf: make([]byte, 0, sendSize)}
			c.add(&v)
			v.close()
			if got := sent(t, v.buf); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("room", func(t *testing.T) {
		v := verdicts{queue: 7, limit: 1, buf: make([]byte, 0, sendSize)}
		at := &v.buf[:1][0]
		payload := make([]byte, 65535-attrLen)
		for id := uint32(0); !v.full(len(payload)); id++ {
			v.add(id, marked)
			v.addPayload(id+1, marked, payload)
		}
		for id := uint32(0); !v.full(0); id++ {
			v.add(id, marked)
		}
		v.close()
		if cap(v.buf) != sendSize || &v.buf[0] != at {
			t.Error("the buffer has grown")
		}
	})
}

func TestOverruns(t *testing.T) {
	// As nfnetlink_queue.c prints it: queue, port, waiting, copy mode, copy range, lost (queue full), lost (socket full), sequence, 1.
	const text = "    0  31621     0 2 65531     0     0    17  1\n    5   4711     3 2 65531    12     8 20000  1\n    5   4712     3 2 65531     1     1     1  1\n"
	for _, c := range []struct {
		queue uint16
		port  uint32
		want  uint32
		ok    bool
	}{{0, 31621, 0, true}, {5, 4711, 20, true}, {5, 4712, 2, true}, {5, 31621, 0, false}, {31621, 0, 0, false}} {
		if got, ok := parseOverruns([]byte(text), c.queue, c.port); got != c.want || ok != c.ok {
			t.Errorf("queue %d: %d %v, want %d %v", c.queue, got, ok, c.want, c.ok)
		}
	}
	if _, ok := parseOverruns([]byte("5 4711 3\n"), 5, 4711); ok {
		t.Error("a short line counts")
	}
}
