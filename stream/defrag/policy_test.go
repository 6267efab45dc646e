package defrag

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sentinel/capture"
	"sentinel/decode"
)

// part is a fragment of a sequence: offset, whether more follow, data.
type part struct {
	off  int
	more bool
	data []byte
}

// UnmarshalJSON reads [offset, more, hex data].
func (p *part) UnmarshalJSON(b []byte) error {
	var data string
	if err := json.Unmarshal(b, &[]any{&p.off, &p.more, &data}); err != nil {
		return err
	}
	d, err := hex.DecodeString(data)
	p.data = d
	return err
}

// v4Fragment builds an IPv4 packet that carries a part.
func v4Fragment(id uint16, proto uint8, p part) []byte {
	n := 20 + len(p.data)
	field := p.off / 8
	if p.more {
		field |= 0x2000
	}
	b := []byte{0x45, 0, byte(n >> 8), byte(n), byte(id >> 8), byte(id), byte(field >> 8), byte(field), 64, proto, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2}
	return append(b, p.data...)
}

// add decodes a raw IP packet and gives it to the table.
func add(t testing.TB, s *decode.Stack, table *Table, b []byte, now int64) ([]byte, bool, *decode.Packet) {
	t.Helper()
	s.Decode(&capture.Frame{Data: b, Link: capture.LinkRaw, Time: now})
	d, ok := table.Add(&s.Packets[0], now)
	return d, ok, &s.Packets[0]
}

func policyNamed(t *testing.T, name string) Policy {
	p, ok := PolicyByOS(name)
	if !ok {
		t.Fatalf("no policy %q", name)
	}
	return p
}

// TestReference replays random fragments that overlap. What datagrams they give under each policy is what the reference
// engine (8.0.7) showed in alerts. Left out are sequences in which the last fragment overlaps ones that begin behind it:
// the reference ends the datagram there whatever the policy, receivers do not.
func TestReference(t *testing.T) {
	data, err := os.ReadFile("testdata/policies.json")
	if err != nil {
		t.Fatal(err)
	}
	var seqs []struct {
		ID    uint16              `json:"id"`
		Frags []part              `json:"frags"`
		Want  map[string][]string `json:"want"`
	}
	if err := json.Unmarshal(data, &seqs); err != nil {
		t.Fatal(err)
	}
	s := decode.NewStack(decode.DefaultConfig())
	for _, q := range seqs {
		for name, want := range q.Want {
			policy := policyNamed(t, name)
			table := New(Config{HashSize: 16, Policy: func(decode.Addr, bool) Policy { return policy }})
			var got []string
			for i, p := range q.Frags {
				if b, ok, _ := add(t, s, table, v4Fragment(q.ID, 17, p), int64(i)); ok {
					got = append(got, string(b[28:]))
				}
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s %d: got %q, want %q\n%v", name, q.ID, got, want, q.Frags)
			}
		}
	}
}

// TestPolicies has two fragments in all the ways they can overlap. Old lies at 3 to 5 (in units of eight bytes) of six.
// The expectations follow the definitions in Novak's paper.
func TestPolicies(t *testing.T) {
	const old = "...OO."
	tests := []struct {
		fresh string // where the new fragment lies
		want  map[Policy]string
	}{
		{"..NN..", map[Policy]string{BSD: "..NNO.", BSDRight: "..NOO.", First: "..NOO.", Last: "..NNO.", Linux: "..NNO.", Solaris: "..NOO.", Windows: "..NOO."}},
		{"...N..", map[Policy]string{BSD: "...OO.", BSDRight: "...NO.", First: "...OO.", Last: "...NO.", Linux: "...NO.", Solaris: "...OO.", Windows: "...OO."}},
		{"...NN.", map[Policy]string{BSD: "...OO.", BSDRight: "...NN.", First: "...OO.", Last: "...NN.", Linux: "...NN.", Solaris: "...OO.", Windows: "...OO."}},
		{"....N.", map[Policy]string{BSD: "...OO.", BSDRight: "...ON.", First: "...OO.", Last: "...ON.", Linux: "...OO.", Solaris: "...OO.", Windows: "...OO."}},
		{"...NNN", map[Policy]string{BSD: "...OON", BSDRight: "...NNN", First: "...OON", Last: "...NNN", Linux: "...NNN", Solaris: "...OON", Windows: "...OON"}},
		{"....NN", map[Policy]string{BSD: "...OON", BSDRight: "...ONN", First: "...OON", Last: "...ONN", Linux: "...OON", Solaris: "...OON", Windows: "...OON"}},
		{"..NNN.", map[Policy]string{BSD: "..NNN.", BSDRight: "..NOO.", First: "..NOO.", Last: "..NNN.", Linux: "..NNN.", Solaris: "..NNN.", Windows: "..NOO."}},
		{"..NNNN", map[Policy]string{BSD: "..NNNN", BSDRight: "..NOON", First: "..NOON", Last: "..NNNN", Linux: "..NNNN", Solaris: "..NNNN", Windows: "..NNNN"}},
	}
	s := decode.NewStack(decode.DefaultConfig())
	for _, v6 := range []bool{false, true} {
		for _, tc := range tests {
			for policy, want := range tc.want {
				table := New(Config{HashSize: 16, Policy: func(decode.Addr, bool) Policy { return policy }})
				full := 1 + max(strings.LastIndex(tc.fresh, "N"), strings.LastIndex(old, "O"))
				frags := []part{layout(old, 'O'), layout(tc.fresh, 'N')}
				var rest []part
				for i := range full {
					if tc.fresh[i] == '.' && old[i] == '.' {
						rest = append(rest, layout(strings.Repeat(".", i)+"x", 'x'))
					}
				}
				// An empty tail would have no last fragment: one more unit ends the datagram.
				rest = append(rest, part{off: full * 8, data: []byte("xxxxxxxx")})
				var got []byte
				overlaps := 0
				for i, p := range append(frags, rest...) {
					b, ok, pkt := addPart(t, s, table, v6, p)
					if pkt.Events.Has(decode.EvIPv4FragOverlap) || pkt.Events.Has(decode.EvIPv6FragOverlap) {
						overlaps++
					}
					if ok != (i == len(frags)+len(rest)-1) {
						t.Fatalf("%v %s: fragment %d of %d: done %v", policy, tc.fresh, i, len(frags)+len(rest), ok)
					}
					got = b
				}
				head := 20
				if v6 {
					head = 40
				}
				var text strings.Builder
				for i := range full {
					text.WriteByte(got[head+i*8])
				}
				if g := strings.ReplaceAll(text.String(), "x", "."); g != want[:full] {
					t.Errorf("policy %d, IPv6 %v: new %s over %s: %s, want %s", policy, v6, tc.fresh, old, g, want)
				}
				if overlaps != 1 {
					t.Errorf("policy %d, IPv6 %v: new %s: %d overlap events", policy, v6, tc.fresh, overlaps)
				}
			}
		}
	}
}

// layout makes a part of units of eight bytes from a picture such as "..NN.".
func layout(picture string, c byte) part {
	i := strings.IndexByte(picture, c)
	n := strings.Count(picture, string(c))
	return part{off: i * 8, more: true, data: []byte(strings.Repeat(string(c), n*8))}
}

// addPart adds a part as a fragment of one IPv4 or IPv6 datagram.
func addPart(t testing.TB, s *decode.Stack, table *Table, v6 bool, p part) ([]byte, bool, *decode.Packet) {
	t.Helper()
	if v6 {
		return add(t, s, table, v6Fragment(7, 17, nil, p), 0)
	}
	return add(t, s, table, v4Fragment(7, 17, p), 0)
}

func TestPolicyByOS(t *testing.T) {
	for name, want := range map[string]Policy{
		"windows": Windows, "bsd": BSD, "bsd_right": BSDRight, "bsd-right": BSDRight, "old-linux": Linux, "linux": Linux,
		"old-solaris": First, "solaris": Solaris, "hpux10": BSD, "hpux11": First, "irix": BSD, "macos": First, "vista": Windows, "windows2k3": Windows,
	} {
		if got, ok := PolicyByOS(name); !ok || got != want {
			t.Errorf("%s: %d %v, want %d", name, got, ok, want)
		}
	}
	if _, ok := PolicyByOS("plan9"); ok {
		t.Error("plan9 is known")
	}
}
