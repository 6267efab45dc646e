package apptest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"sentinel/stream/app"
)

// script is a parsed text file.
type script struct {
	config string
	steps  []step
	want   map[string][]string
	none   map[string]bool
}

// Run drives the protocol by every file that matches pattern, and checks the contract on each conversation.
func Run(t *testing.T, p *app.Protocol, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file matches %s", pattern)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parse(string(text))
			if err != nil {
				t.Fatalf("%s:%v", name, err)
			}
			d := newDriver(t, p, s.config)
			d.run(s.steps)
			compare(t, s, d.report())
			contract(t, p, s)
		})
	}
}

// Feed drives the protocol with raw bytes, for fuzz targets: the first byte of each piece's control says direction and
// length. It fails on a broken contract and lets panics through.
func Feed(t testing.TB, p *app.Protocol, input []byte) {
	d := newDriver(t, p, "")
	for len(input) >= 2 {
		c, n := input[0], int(input[1])+1
		input = input[2:]
		s := step{dir: app.Dir(c & 1), eof: c&0x0e == 0x0e}
		if c&0xf0 == 0xf0 {
			s.gap = n
		} else {
			if n > len(input) {
				n = len(input)
			}
			s.data, input = input[:n], input[n:]
		}
		d.feed(s)
	}
	d.run(nil)
	d.report()
	for _, tx := range d.transactions() {
		d.parser.Free(tx.Base().ID)
	}
	if tx, ok := d.parser.Next(0); ok {
		t.Errorf("transaction %d lives after Free", tx.Base().ID)
	}
}

// Seed packs pieces of a conversation as Feed reads them: "> text" or "< text" semantics by the directions given.
func Seed(pieces ...any) []byte {
	var out []byte
	dir := app.ToServer
	for _, p := range pieces {
		switch v := p.(type) {
		case app.Dir:
			dir = v
		case string:
			for len(v) > 0 {
				n := min(len(v), 256)
				out = append(append(out, byte(dir), byte(n-1)), v[:n]...)
				v = v[n:]
			}
		default:
			panic(fmt.Sprintf("apptest.Seed: %T", p))
		}
	}
	return out
}

func parse(text string) (*script, error) {
	s := &script{want: map[string][]string{}, none: map[string]bool{}}
	wanted := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if t := strings.TrimSpace(line); t == "" || t[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		fail := func(err error) (*script, error) { return nil, fmt.Errorf("%d: %w", i+1, err) }
		switch {
		case wanted && word == "none":
			s.none[rest] = true
		case wanted:
			s.want[word] = append(s.want[word], rest)
		case word == "want":
			wanted = true
		case word == "config":
			s.config += "  " + strings.TrimPrefix(strings.TrimSpace(line)[len("config"):], " ") + "\n"
		case word == ">" || word == "<":
			b, err := unquote(rest)
			if err != nil {
				return fail(err)
			}
			s.steps = append(s.steps, step{dir: arrow(word), data: b})
		case word == ">x" || word == "<x":
			b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
			if err != nil {
				return fail(err)
			}
			s.steps = append(s.steps, step{dir: arrow(word[:1]), data: b})
		case word == "gap":
			a, n, _ := strings.Cut(rest, " ")
			v, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				return fail(err)
			}
			s.steps = append(s.steps, step{dir: arrow(a), gap: v})
		case word == "eof":
			s.steps = append(s.steps, step{dir: arrow(rest), eof: true})
		default:
			return fail(fmt.Errorf("unknown word %q", word))
		}
	}
	return s, nil
}

func arrow(s string) app.Dir {
	if s == "<" {
		return app.ToClient
	}
	return app.ToServer
}

func unquote(s string) ([]byte, error) {
	var out []byte
	for s != "" {
		q, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, s)
		}
		u, err := strconv.Unquote(q)
		if err != nil {
			return nil, err
		}
		out = append(out, u...)
		s = strings.TrimSpace(s[len(q):])
	}
	return out, nil
}

func compare(t *testing.T, s *script, got map[string][]string) {
	t.Helper()
	for kind := range s.none {
		if len(got[kind]) > 0 {
			t.Errorf("%s: want none, got %q", kind, got[kind])
		}
	}
	for kind, want := range s.want {
		switch kind {
		case "buffer", "progress":
			for _, w := range want {
				if !has(got[kind], w) {
					t.Errorf("%s: want %s\n got %s", kind, w, strings.Join(got[kind], "\n     "))
				}
			}
		case "log":
			if len(want) != len(got[kind]) {
				t.Errorf("log: want %d, got %d:\n%s", len(want), len(got[kind]), strings.Join(got[kind], "\n"))
				continue
			}
			for i := range want {
				if !sameJSON(t, want[i], got[kind][i]) {
					t.Errorf("log %d:\nwant %s\n got %s", i+1, want[i], got[kind][i])
				}
			}
		default:
			if !reflect.DeepEqual(want, got[kind]) {
				t.Errorf("%s: want %q\n got %q", kind, want, got[kind])
			}
		}
	}
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("want: %v: %s", err, a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("got: %v: %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

// contract checks what every parser must hold to, on one conversation.
func contract(t *testing.T, p *app.Protocol, s *script) {
	t.Helper()
	base := newDriver(t, p, s.config)
	base.run(s.steps)
	whole := base.report()

	if base.flow.Proto == 6 {
		t.Run("split", func(t *testing.T) {
			for name, cut := range map[string]func(b []byte) [][]byte{
				"bytes": func(b []byte) [][]byte { return chunks(b, func() int { return 1 }) },
				"random": func() func(b []byte) [][]byte {
					r := rand.New(rand.NewPCG(1, 2))
					return func(b []byte) [][]byte { return chunks(b, func() int { return 1 + r.IntN(97) }) }
				}(),
			} {
				d := newDriver(t, p, s.config)
				var steps []step
				for _, st := range s.steps {
					if len(st.data) == 0 {
						steps = append(steps, st)
						continue
					}
					for _, c := range cut(st.data) {
						steps = append(steps, step{dir: st.dir, data: c})
					}
				}
				d.run(steps)
				if got := d.report(); !reflect.DeepEqual(got, whole) {
					for kind := range merge(got, whole) {
						if !reflect.DeepEqual(got[kind], whole[kind]) {
							t.Errorf("%s: %s differs:\nwhole %s\nsplit %s", name, kind,
								strings.Join(whole[kind], "\n      "), strings.Join(got[kind], "\n      "))
						}
					}
				}
			}
		})
		t.Run("gap", func(t *testing.T) {
			for i, st := range s.steps {
				if len(st.data) == 0 {
					continue
				}
				for _, at := range []int{0, len(st.data) / 3, len(st.data) / 2} {
					for _, n := range []int{1, 7, len(st.data) - at} {
						if n <= 0 || at+n > len(st.data) {
							continue
						}
						d := newDriver(t, p, s.config)
						steps := append([]step{}, s.steps[:i]...)
						if at > 0 {
							steps = append(steps, step{dir: st.dir, data: st.data[:at]})
						}
						steps = append(steps, step{dir: st.dir, gap: n})
						if at+n < len(st.data) {
							steps = append(steps, step{dir: st.dir, data: st.data[at+n:]})
						}
						d.run(append(steps, s.steps[i+1:]...))
						d.report()
					}
				}
			}
		})
	}
	t.Run("free", func(t *testing.T) {
		d := newDriver(t, p, s.config)
		d.run(s.steps)
		txs := d.transactions()
		for i := len(txs) - 1; i >= 0; i-- { // out of order on purpose
			d.parser.Free(txs[i].Base().ID)
		}
		if tx, ok := d.parser.Next(0); ok {
			t.Errorf("transaction %d lives after Free", tx.Base().ID)
		}
		d.parser.Free(12345)
	})
	t.Run("allocations", func(t *testing.T) {
		var sink int
		for _, tx := range base.transactions() {
			for _, buf := range p.Buffers {
				n := testing.AllocsPerRun(20, func() {
					switch buf.Kind {
					case app.Single:
						sink += len(buf.Single(tx, buf.At.Dir, &base.scratch))
					case app.Multiple:
						for i := 0; i < 1<<16; i++ {
							v, ok := buf.Multi(tx, buf.At.Dir, i, &base.scratch)
							if !ok {
								break
							}
							sink += len(v)
						}
					case app.Streamed:
						if s := buf.Stream(tx, buf.At.Dir); s != nil {
							b, _ := s.All()
							sink += len(b)
						}
					}
					base.scratch.Reset()
				})
				if n > 0 {
					t.Errorf("%s: %v allocations a call on transaction %d", buf.Name, n, tx.Base().ID)
				}
			}
		}
	})
}

func chunks(b []byte, next func() int) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		n := min(next(), len(b))
		out = append(out, bytes.Clone(b[:n]))
		b = b[n:]
	}
	return out
}

func merge(a, b map[string][]string) map[string]bool {
	m := map[string]bool{}
	for k := range a {
		m[k] = true
	}
	for k := range b {
		m[k] = true
	}
	return m
}
