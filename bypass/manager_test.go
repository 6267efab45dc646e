package bypass

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sentinel/decode"
	"sentinel/stream/flow"
)

// card is an offloader of a test. Its flows have one packet each time it is swept.
type card struct {
	mu     sync.Mutex
	block  chan struct{} // Install waits for it; nil = it does not
	refuse error
	have   map[flow.Key]int
	most   int // flows of one Install
	closed bool
}

func (c *card) Install(batch []Entry) {
	if c.block != nil {
		<-c.block
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = max(c.most, len(batch))
	for i := range batch {
		if e := &batch[i]; e.Err == nil {
			if e.Err = c.refuse; e.Err == nil {
				c.have[e.Key]++
			}
		}
	}
}

func (c *card) Remove(batch []Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		if c.have[r.Key] == 0 {
			r.Err = ErrUnknown
			continue
		}
		delete(c.have, r.Key)
		r.Counters = Counters{Pkts: [2]uint64{0, 1}, Bytes: [2]uint64{0, 60}}
	}
}

func (c *card) Sweep(_ int64, report func(flow.Key, Counters)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.have {
		report(k, Counters{Pkts: [2]uint64{1, 0}, Bytes: [2]uint64{100, 0}})
	}
	return nil
}

func (c *card) Close() error {
	c.closed = true
	return nil
}

func entry(i int) *Entry {
	return &Entry{Key: flow.Key{Src: decode.Addr{10, 0, byte(i >> 8), byte(i)}, Dst: decode.Addr{10, 9}, SrcPort: 1, DstPort: 2, Proto: 17, IPVersion: 4}}
}

// mail collects a desk's reports until done says that they are all there.
func mail(t *testing.T, d *Desk, done func([]Report) bool) []Report {
	t.Helper()
	var all []Report
	for end := time.Now().Add(10 * time.Second); !done(all); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d reports", len(all))
		}
		if d.Mail() {
			d.Collect(func(r *Report) { all = append(all, *r) })
		}
	}
	return all
}

func count(list []Report, e Event) (n int) {
	for _, r := range list {
		if r.Event == e {
			n++
		}
	}
	return n
}

func TestManager(t *testing.T) {
	c := &card{have: map[flow.Key]int{}}
	m := NewManager(c, Options{Interfaces: []string{"eth0"}, Sweep: 5 * time.Millisecond})
	a, b := m.Desk(), m.Desk()
	m.Start()
	const n = 300
	for i := range n {
		if !a.Ask(entry(i), Flow{uint32(i), uint64(i)}) || !b.Ask(entry(n+i), Flow{uint32(i), uint64(i)}) {
			t.Fatal("no room")
		}
	}
	for _, d := range []*Desk{a, b} {
		list := mail(t, d, func(l []Report) bool { return count(l, Taken) == n && count(l, Counted) >= n })
		for _, r := range list {
			if r.Event == Counted && (r.Counters.Bytes[0] != 100 || r.Counters.Last == 0 || r.ID != uint64(r.Index)) {
				t.Fatalf("report %+v", r)
			}
		}
	}
	if s := m.Interfaces()[0]; s.Held != [2]uint64{2 * n, 0} || s.Success != s.Held || s.Pkts == 0 {
		t.Errorf("%+v", s)
	}
	for i := range n {
		a.Leave(Flow{uint32(i), uint64(i)})
	}
	list := mail(t, a, func(l []Report) bool { return count(l, Done) == n })
	for _, r := range list {
		if r.Event == Done && r.Counters.Bytes[1] != 60 {
			t.Fatalf("report %+v", r)
		}
	}
	a.Leave(Flow{7, 7}) // once more: there is an answer all the same
	mail(t, a, func(l []Report) bool { return count(l, Done) == 1 })
	if err := m.Close(); err != nil || !c.closed || len(c.have) != 0 {
		t.Errorf("%v, closed %v, %d left", err, c.closed, len(c.have))
	}
	mail(t, b, func(l []Report) bool { return count(l, Done) == n })
	if s := m.Stats(); s.Taken != 2*n || s.Returned != 2*n || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestManagerRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Event
	}{"full": {ErrFull, Full}, "unsupported": {ErrUnsupported, Refused}, "failed": {errors.New("broken"), Failed}} {
		t.Run(name, func(t *testing.T) {
			m := NewManager(&card{have: map[flow.Key]int{}, refuse: c.err}, Options{})
			d := m.Desk()
			m.Start()
			d.Ask(entry(1), Flow{1, 1})
			mail(t, d, func(l []Report) bool { return count(l, c.want) == 1 })
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two flows of one name, in either direction, cannot both be below: the counts would be of both.
func TestManagerSameName(t *testing.T) {
	c := &card{have: map[flow.Key]int{}}
	m := NewManager(c, Options{Sweep: time.Hour})
	d := m.Desk()
	e, back := entry(1), entry(1)
	back.Src, back.Dst, back.SrcPort, back.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	d.Ask(e, Flow{1, 1})
	d.Ask(e, Flow{2, 2})
	d.Ask(back, Flow{3, 3})
	m.Start()
	list := mail(t, d, func(l []Report) bool { return len(l) == 3 })
	if count(list, Taken) != 1 || count(list, Full) != 2 || len(c.have) != 1 {
		t.Errorf("%+v", list)
	}
	d.Ask(back, Flow{3, 3})
	mail(t, d, func(l []Report) bool { return count(l, Full) == 1 })
	d.Leave(Flow{1, 1})
	mail(t, d, func(l []Report) bool { return count(l, Done) == 1 })
	d.Ask(back, Flow{3, 3})
	mail(t, d, func(l []Report) bool { return count(l, Taken) == 1 })
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A manager that does not get on holds nobody up: there is no room for requests, but what is to come back is never forgotten.
func TestDeskFull(t *testing.T) {
	c := &card{have: map[flow.Key]int{}, block: make(chan struct{})}
	m := NewManager(c, Options{Sweep: time.Hour})
	d := m.Desk()
	m.Start()
	asked := 0
	for ; d.Ask(entry(asked), Flow{uint32(asked), uint64(asked)}); asked++ {
	}
	if asked < deskSlots {
		t.Fatalf("room for %d requests only", asked)
	}
	for i := range asked {
		d.Leave(Flow{uint32(i), uint64(i)})
	}
	close(c.block)
	list := mail(t, d, func(l []Report) bool { return count(l, Done) == asked })
	if count(list, Taken) != asked || len(c.have) != 0 || c.most < 100 || len(d.backlog) != 0 {
		t.Errorf("%d taken, %d left, batches of %d", count(list, Taken), len(c.have), c.most)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestDeskDoesNotAllocate(t *testing.T) {
	m := NewManager(&card{have: map[flow.Key]int{}}, Options{})
	d := m.Desk()
	e := entry(1)
	fn := func(*Report) {}
	if n := testing.AllocsPerRun(100, func() {
		d.Ask(e, Flow{1, 1})
		if d.Mail() {
			d.Collect(fn)
		}
		d.head.Store(d.tail.Load())
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// sieve is an EarlyDropper of a test.
type sieve struct {
	mu       sync.Mutex
	hosts    map[netip.Addr]int64
	networks []netip.Prefix
}

func (s *sieve) DropHost(a netip.Addr, until int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hosts) >= 3 {
		return ErrFull
	}
	s.hosts[a] = until
	return nil
}

func (s *sieve) AllowHosts(now int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, until := range s.hosts {
		if now >= until {
			delete(s.hosts, a)
		}
	}
	return len(s.hosts), nil
}

func (s *sieve) DropNetworks(list []netip.Prefix) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.networks = list
	return nil
}

func (s *sieve) Dropped() (EarlyDrops, error) { return EarlyDrops{1, 10, 2, 20}, nil }

func TestEarly(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# comment\n192.0.2.0/24 ; SBL1\n192.0.2.77/24\n\n2001:db8::/32,x\n198.51.100.7\t# one\n; other comment\r\n")
	s := &sieve{hosts: map[netip.Addr]int64{}}
	e := NewEarly(s, EarlyOptions{Files: []string{name}, MaxNetworks: 3, Check: time.Millisecond})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	want := "[192.0.2.0/24 198.51.100.7/32 2001:db8::/32]"
	if got := prefixes(s); got != want {
		t.Errorf("networks %v, want %v", got, want)
	}
	write("0.0.0.0/0\nnonsense\n")
	if err := e.Reload(); err == nil || !strings.Contains(err.Error(), name+":2: not a network") || !strings.Contains(err.Error(), "every host") {
		t.Errorf("error %v", err)
	}
	write("10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n")
	if err := e.Reload(); err == nil || !strings.Contains(err.Error(), "max-networks") {
		t.Errorf("error %v", err)
	}
	if got := prefixes(s); got != want {
		t.Errorf("a list that is wrong replaced the one before: %v", got)
	}
	write("")
	if err := e.Reload(); err != nil || prefixes(s) != "[]" {
		t.Errorf("%v, networks %v", err, prefixes(s))
	}
	now := time.Now().UnixNano()
	e.Drop(netip.MustParseAddr("192.0.2.1"), now+int64(time.Hour))
	e.Drop(netip.MustParseAddr("192.0.2.2"), now-1)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if st := e.Stats(); st == (EarlyStats{Hosts: 1, Pkts: 3, Bytes: 30}) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%+v", st)
		}
	}
	for i := range byte(5) {
		e.Drop(netip.AddrFrom4([4]byte{10, 0, 0, i}), now+int64(time.Hour))
		// One after the other: what finds the list of orders full is missed, too.
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if st := e.Stats(); int(st.Hosts)-1+int(st.Missed) == int(i)+1 {
				break
			} else if time.Now().After(end) {
				t.Fatalf("host %d: %+v", i, st)
			}
		}
	}
	if st := e.Stats(); st.Missed != 3 {
		t.Errorf("%+v", st)
	}
}

func prefixes(s *sieve) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, p := range s.networks {
		out = append(out, p.String())
	}
	return "[" + strings.Join(out, " ") + "]"
}

func FuzzNetworks(f *testing.F) {
	f.Add("10.0.0.0/8\n")
	f.Add("fe80::1%eth0\n;x\n1.2.3.4/33 # no\n::/0\n")
	name := filepath.Join(f.TempDir(), "list")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, _ := readNetworks(name)
		for _, p := range list {
			if !p.IsValid() || p.Bits() == 0 || p != p.Masked() {
				t.Errorf("%v of %q", p, text)
			}
		}
	})
}

// faulty is an offloader with a bug.
type faulty struct{ card }

func (f *faulty) Install([]Entry) { panic("bug") }

// A bug in an offloader leaves its flows with the engine.
func TestManagerSurvives(t *testing.T) {
	said := make(chan string, 10)
	m := NewManager(&faulty{}, Options{Warn: func(f string, _ ...any) { said <- f }})
	d := m.Desk()
	m.Start()
	for i := range 2 {
		d.Ask(entry(i), Flow{uint32(i), uint64(i)})
		mail(t, d, func(l []Report) bool { return count(l, Failed) == 1 })
	}
	if len(said) == 0 {
		t.Error("nothing was said")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
