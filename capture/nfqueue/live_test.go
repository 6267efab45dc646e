//go:build linux

package nfqueue

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/qa/live"
)

// firewall runs iptables in the test's namespace.
func firewall(t *testing.T, rule string) {
	t.Helper()
	program := "iptables"
	if strings.HasPrefix(rule, "6 ") {
		program, rule = "ip6tables", rule[2:]
	}
	path, err := exec.LookPath(program)
	if err != nil {
		live.Skip(t, "needs %s to put packets into a queue", program)
	}
	out, err := exec.Command(path, append([]string{"-w", "10"}, strings.Fields(rule)...)...).CombinedOutput()
	if err != nil {
		live.Skip(t, "%s %s: %v: %s", program, rule, err, bytes.TrimSpace(out))
	}
}

func queue(t *testing.T, list ...Options) []*Source {
	t.Helper()
	opened, err := Open(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []*Source
	for _, s := range opened {
		t.Cleanup(func() { s.Close() })
		all = append(all, s.(*Source))
	}
	return all
}

// pair is a sender and a receiver of datagrams on the loopback interface.
type pair struct {
	t    *testing.T
	from *net.UDPConn
	to   *net.UDPConn
}

func datagrams(t *testing.T, network, address string) *pair {
	t.Helper()
	to, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(address), Port: 7000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	force(t, to, unix.SO_RCVBUFFORCE)
	from, err := net.DialUDP(network, nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close() })
	force(t, from, unix.SO_SNDBUFFORCE)
	return &pair{t, from, to}
}

// force makes a buffer of a socket large: packets in a queue count as not sent yet.
func force(t *testing.T, c *net.UDPConn, option int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 64<<20); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Error(err)
	}
}

func (p *pair) send(n int) {
	p.t.Helper()
	_ = p.from.SetWriteDeadline(time.Now().Add(20 * time.Second))
	for i := range n {
		// A packet that a rule drops on the way out is an error of the sender's, which is expected.
		if _, err := fmt.Fprintf(p.from, "packet %d", i); err != nil && !strings.Contains(err.Error(), "not permitted") {
			p.t.Fatal(err)
		}
	}
}

// received counts what arrives until n have, or until nothing comes for a while.
func (p *pair) received(n int) (all []string) {
	p.t.Helper()
	b := make([]byte, 2048)
	for len(all) < n+1 {
		wait := 5 * time.Second
		if len(all) >= n {
			wait = 100 * time.Millisecond // is there one too many?
		}
		_ = p.to.SetReadDeadline(time.Now().Add(wait))
		m, err := p.to.Read(b)
		if err != nil {
			return all
		}
		all = append(all, string(b[:m]))
	}
	return all
}

// judge reads n packets from the sources and releases them with what a verdict function says. It fails after some seconds without any.
func judge(t *testing.T, n int, verdict func(i int, f *capture.Frame), sources ...*Source) {
	t.Helper()
	batch := make([]capture.Frame, 64)
	for seen, end := 0, time.Now().Add(20*time.Second); seen < n; {
		for _, s := range sources {
			got, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch[:got] {
				if verdict != nil {
					verdict(seen, &batch[i])
				}
				seen++
			}
			if err := s.Release(batch[:got]); err != nil {
				t.Fatal(err)
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%d packets came, want %d: %+v", seen, n, sources[0].Stats())
		}
	}
}

// quiet checks that no packet waits.
func quiet(t *testing.T, s *Source) {
	t.Helper()
	if n, err := s.Read(context.Background(), make([]capture.Frame, 8)); n != 0 || err != nil {
		t.Errorf("%d packets more, %v", n, err)
	}
}

func TestAcceptAndDrop(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 5")
	s := queue(t, Options{Queue: 5, Index: 3})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	before := time.Now()
	p.send(30)
	judge(t, 30, func(i int, f *capture.Frame) {
		if f.Link != capture.LinkUserNFQ || f.Iface != 3 || f.Queue != 5 || f.WireLen != uint32(len(f.Data)) || cap(f.Data) != len(f.Data) {
			t.Errorf("frame %+v", f)
		}
		if at := time.Unix(0, f.Time); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("time %v", at)
		}
		if want := fmt.Sprintf("packet %d", i); f.Data[0] != 0x45 || string(f.Data[28:]) != want {
			t.Errorf("data %x, want %s", f.Data, want)
		}
		if i%3 == 1 || i > 20 && i < 25 {
			f.Verdict = capture.Drop
		}
	}, s)
	var want []string
	for i := range 30 {
		if !(i%3 == 1 || i > 20 && i < 25) {
			want = append(want, fmt.Sprintf("packet %d", i))
		}
	}
	if got := p.received(len(want)); strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("arrived: %q, want %q", got, want)
	}
	quiet(t, s)
	if st := s.Stats(); st.Received != 30 || st.Dropped != 0 || st.Errors != 0 || st.Invalid != 0 || st.Bytes == 0 {
		t.Errorf("%+v", st)
	}
}

func TestIPv6(t *testing.T) {
	live.New(t)
	firewall(t, "6 -A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 5")
	s := queue(t, Options{Queue: 5})[0]
	p := datagrams(t, "udp6", "::1")
	p.send(4)
	judge(t, 4, func(i int, f *capture.Frame) {
		if f.Data[0]>>4 != 6 {
			t.Errorf("data %x", f.Data)
		}
		if i == 2 {
			f.Verdict = capture.Drop
		}
	}, s)
	if got := p.received(3); len(got) != 3 {
		t.Errorf("%d arrived, want 3", len(got))
	}
}

// A packet that is repeated comes to the rule with the mark, and is let past it; where no rule looks at the mark it comes again and
// is accepted unseen.
func TestRepeat(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		past       uint64
	}{
		{"rule looks at the mark", "-t mangle -A OUTPUT -p udp --dport 7000 -m mark ! --mark 0x10/0xf0 -j NFQUEUE --queue-num 1", 0},
		{"rule does not", "-t mangle -A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			live.New(t)
			firewall(t, c.rule)
			firewall(t, "-A OUTPUT -p udp --dport 7000 -m mark ! --mark 0x12/0xff -j DROP")
			s := queue(t, Options{Queue: 1, Mode: ModeRepeat, RepeatMark: 0x10, RepeatMask: 0xf0})[0]
			p := datagrams(t, "udp4", "127.0.0.1")
			mark(t, p.from, 0x2)
			p.send(10)
			judge(t, 10, nil, s)
			quiet(t, s)
			if got := p.received(10); len(got) != 10 {
				t.Errorf("%d arrived, want 10", len(got))
			}
			if st := s.Stats(); st.Received != 10 || st.Bypassed != c.past || st.Errors != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func mark(t *testing.T, c *net.UDPConn, m int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, m); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Error(err)
	}
}

func TestRoute(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	first := queue(t, Options{Queue: 1, Mode: ModeRoute, RouteQueue: 2})[0]
	second := queue(t, Options{Queue: 2})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	p.send(10)
	judge(t, 10, func(i int, f *capture.Frame) {
		if i == 4 {
			f.Verdict = capture.Drop
		}
	}, first)
	judge(t, 9, func(i int, f *capture.Frame) {
		if i == 4 {
			f.Verdict = capture.Drop
		}
	}, second)
	if got := p.received(8); len(got) != 8 {
		t.Errorf("%d arrived, want 8", len(got))
	}
}

func TestBypassMark(t *testing.T) {
	live.New(t)
	firewall(t, "-t mangle -A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	firewall(t, "-A OUTPUT -p udp --dport 7000 -m mark --mark 0x1/0x1 -j DROP")
	s := queue(t, Options{Queue: 1, BypassMark: 1, BypassMask: 1})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	p.send(12)
	judge(t, 12, func(i int, f *capture.Frame) {
		if i >= 3 && i < 8 {
			f.Verdict = capture.Bypass
		}
	}, s)
	want := "packet 0,packet 1,packet 2,packet 8,packet 9,packet 10,packet 11"
	if got := strings.Join(p.received(7), ","); got != want {
		t.Errorf("without the mark: %q, want %q", got, want)
	}
}

// What a rule marks a packet with is what the firewall sees, and only in the bits of its mask.
func TestRuleMark(t *testing.T) {
	live.New(t)
	firewall(t, "-t mangle -A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	firewall(t, "-A OUTPUT -p udp --dport 7000 -m mark --mark 0x42 -j DROP")
	s := queue(t, Options{Queue: 1})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	mark(t, p.from, 0x2)
	p.send(8)
	judge(t, 8, func(i int, f *capture.Frame) {
		if f.Flags&capture.Markable == 0 {
			t.Error("the frame cannot be marked")
		}
		if i >= 3 && i < 6 {
			f.SetMark(0x47, 0xf0)
		}
	}, s)
	want := "packet 0,packet 1,packet 2,packet 6,packet 7"
	if got := strings.Join(p.received(5), ","); got != want {
		t.Errorf("%q arrived, want %q", got, want)
	}
}

// A full queue lets packets pass with fail-open, and loses them, counted, without. What waits when the source is closed goes the same way.
func TestFull(t *testing.T) {
	for _, c := range []struct {
		open          bool
		arrived, left int
		dropped       uint64
	}{{true, 46, 4, 0}, {false, 0, 0, 46}} {
		t.Run(fmt.Sprintf("fail-open %v", c.open), func(t *testing.T) {
			live.New(t)
			firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
			s := queue(t, Options{Queue: 1, Length: 4, FailOpen: c.open})[0]
			p := datagrams(t, "udp4", "127.0.0.1")
			p.send(50)
			if got := p.received(c.arrived); len(got) != c.arrived {
				t.Errorf("%d arrived, want %d", len(got), c.arrived)
			}
			batch := make([]capture.Frame, 8)
			if n, err := s.Read(context.Background(), batch); n != 4 || err != nil {
				t.Errorf("%d in the queue, %v", n, err)
			}
			if st := s.Stats(); st.Received != 4 || st.Dropped != c.dropped {
				t.Errorf("%+v", st)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if got := p.received(c.left); len(got) != c.left {
				t.Errorf("%d arrived after the end, want %d", len(got), c.left)
			}
			if st := s.Stats(); st.Dropped != c.dropped {
				t.Errorf("after the end %+v", st)
			}
		})
	}
}

func TestBalance(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-balance 0:3")
	list, err := Configure(&capture.Target{Name: "0:3"})
	if err != nil {
		t.Fatal(err)
	}
	all := queue(t, list...)
	to, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 7000})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	p := &pair{t: t, to: to}
	const hosts, each = 40, 5
	for i := range hosts {
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(i)), Port: 7000})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p.from = c
		p.send(each)
	}
	queues := map[byte]map[uint16]int{}
	judge(t, hosts*each, func(_ int, f *capture.Frame) {
		host := f.Data[19]
		if queues[host] == nil {
			queues[host] = map[uint16]int{}
		}
		queues[host][f.Queue]++
	}, all...)
	if got := p.received(hosts * each); len(got) != hosts*each {
		t.Errorf("%d arrived", len(got))
	}
	used := 0
	for _, s := range all {
		if s.Stats().Received > 0 {
			used++
		}
	}
	if used < 2 {
		t.Errorf("%d queues were used", used)
	}
	for host, q := range queues {
		if len(q) != 1 {
			t.Errorf("packets to host %d came through %v", host, q)
		}
	}
}

// longer makes a UDP packet carry another text. Its checksum becomes 0: there is none.
func longer(f *capture.Frame, text string) {
	b := append(append(make([]byte, 0, 28+len(text)), f.Data[:28]...), text...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(text)))
	b[10], b[11], b[26], b[27] = 0, 0, 0, 0
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	f.Data, f.Verdict = b, capture.Modified
}

// What was done is told at the end.
func TestTally(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	l := &log{}
	opened, err := Open([]Options{{Queue: 1}}, l)
	if err != nil {
		t.Fatal(err)
	}
	s := opened[0].(*Source)
	datagrams(t, "udp4", "127.0.0.1").send(5)
	judge(t, 5, func(i int, f *capture.Frame) {
		switch i {
		case 1, 2:
			f.Verdict = capture.Drop
		case 3:
			longer(f, "more")
		}
	}, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"(RX-NFQ#1) Treated: Pkts 5, Bytes 180, Errors 0", "(RX-NFQ#1) Verdict: Accepted 3, Dropped 2, Replaced 1"}
	if n := len(l.lines); n < 2 || l.lines[n-2] != want[0] || l.lines[n-1] != want[1] {
		t.Errorf("said %q, want %q at the end", l.lines, want)
	}
}

func TestModified(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	s := queue(t, Options{Queue: 1})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	texts := []string{"packet 0", "short", "a good deal longer than before", strings.Repeat("x", 1400), "packet 4", "PACKET 5"}
	p.send(len(texts))
	judge(t, len(texts), func(i int, f *capture.Frame) {
		switch i {
		case 0, 4:
		case 5: // in place
			if f.Flags&capture.Writable == 0 {
				t.Error("a frame is not writable")
			}
			copy(f.Data[28:], texts[i])
			f.Data[26], f.Data[27] = 0, 0
			f.Verdict = capture.Modified
		default:
			longer(f, texts[i])
		}
	}, s)
	got := p.received(len(texts))
	if strings.Join(got, "|") != strings.Join(texts, "|") {
		t.Errorf("arrived %q, want %q", got, texts)
	}
}

// 20,000 packets go through while the reader keeps up as it can: none is lost, and the counters say so. Several batches are lent at a
// time, as the engine does when it hands packets to workers.
func TestMany(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	s := queue(t, Options{Queue: 1})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	const total = 20000
	_ = p.from.SetWriteDeadline(time.Now().Add(20 * time.Second))
	go func() {
		for range total {
			_, _ = p.from.Write([]byte("some text that is a packet"))
		}
	}()
	var loans [][]capture.Frame
	seen, dropped := 0, 0
	for end := time.Now().Add(30 * time.Second); (seen < total || len(loans) > 0) && time.Now().Before(end); {
		got := 0
		if seen < total {
			batch := make([]capture.Frame, 256)
			n, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			if got = n; n > 0 {
				loans = append(loans, batch[:n])
				seen += n
			}
		}
		// All places may be lent already.
		if len(loans) > 16 || len(loans) > 0 && got == 0 {
			for i := range loans[0] {
				if (seen+i)%7 == 0 {
					loans[0][i].Verdict = capture.Drop
					dropped++
				}
			}
			if err := s.Release(loans[0]); err != nil {
				t.Fatal(err)
			}
			loans = loans[1:]
		}
	}
	if got := len(p.received(total - dropped)); got != total-dropped {
		t.Errorf("%d arrived, want %d", got, total-dropped)
	}
	if st := s.Stats(); st.Received != total || st.Dropped != 0 || st.Errors != 0 {
		t.Errorf("%+v", st)
	}
	quiet(t, s)
}

// A socket whose buffer is small overruns; sent = received + dropped all the same. With fail-open the packets pass.
func TestOverrun(t *testing.T) {
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprintf("fail-open %v", open), func(t *testing.T) {
			live.New(t)
			firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
			s := queue(t, Options{Queue: 1, Buffer: 64 << 10, FailOpen: open})[0]
			p := datagrams(t, "udp4", "127.0.0.1")
			batch := make([]capture.Frame, 256)
			take := func() {
				for range 100 {
					n, err := s.Read(context.Background(), batch)
					if err != nil {
						t.Fatal(err)
					}
					if n == 0 {
						return
					}
					if err := s.Release(batch[:n]); err != nil {
						t.Fatal(err)
					}
				}
			}
			p.send(2000)
			take()
			p.send(1) // the gap before it shows what has passed
			take()
			st := s.Stats()
			if st.Received+st.Dropped != 2001 || st.Dropped == 0 || st.Errors != 0 {
				t.Errorf("%+v", st)
			}
			want := int(st.Received)
			if open {
				want = 2001
			}
			if got := p.received(want); len(got) != want {
				t.Errorf("%d arrived, want %d", len(got), want)
			}
		})
	}
}

func TestInject(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	s := queue(t, Options{Queue: 1})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	p.send(1)
	var b []byte
	judge(t, 1, func(_ int, f *capture.Frame) {
		b = append([]byte(nil), f.Data...)
		f.Verdict = capture.Drop
	}, s)
	if err := s.Inject(b); err != nil {
		t.Fatal(err)
	}
	judge(t, 1, nil, s) // it passes the rule as well
	if got := p.received(1); len(got) != 1 || got[0] != "packet 0" {
		t.Errorf("arrived %q", got)
	}
	if err := s.Inject([]byte{0x45}); err == nil {
		t.Error("a stump was sent")
	}
}

func TestBusy(t *testing.T) {
	live.New(t)
	queue(t, Options{Queue: 1})
	_, err := Open([]Options{{Queue: 0}, {Queue: 1}}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot read queue 1: another program reads it") {
		t.Errorf("error %v", err)
	}
	queue(t, Options{Queue: 0}) // was given up
}

func TestAllocations(t *testing.T) {
	live.New(t)
	firewall(t, "-A OUTPUT -p udp --dport 7000 -j NFQUEUE --queue-num 1")
	s := queue(t, Options{Queue: 1, BypassMark: 1, BypassMask: 1})[0]
	p := datagrams(t, "udp4", "127.0.0.1")
	p.send(2000)
	batch := make([]capture.Frame, 16)
	seen := 0
	ctx := context.Background()
	allocs := testing.AllocsPerRun(100, func() {
		n, err := s.Read(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch[:n] {
			batch[i].Verdict = capture.Verdict(i % 4)
		}
		if err := s.Release(batch[:n]); err != nil {
			t.Fatal(err)
		}
		s.Stats()
		seen += n
	})
	if allocs != 0 || seen < 1000 {
		t.Errorf("%v allocations a batch, %d packets", allocs, seen)
	}
}
