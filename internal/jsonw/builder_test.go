package jsonw

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// The spellings are those of the reference's rust/src/jsonbuilder.rs, applied by hand.
func TestStrings(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "abc", `"abc"`},
		{"empty", "", `""`},
		{"quote and backslash", `a"b\c`, `"a\"b\\c"`},
		{"named controls", "\b\t\n\f\r", `"\b\t\n\f\r"`},
		{"other controls", "\x00\x01\x0b\x1f", `"\u0000\u0001\u000b\u001f"`},
		{"del and slash stay", "\x7f/", "\"\x7f/\""},
		{"utf-8 stays", "grüße 早", `"grüße 早"`},
		{"html stays", "<&>\u2028", "\"<&>\u2028\""},
		{"invalid", "a\xf2b", `"a\\xf2b"`},
		{"invalid spoils the valid", "ü\xff", `"\\xc3\\xbc\\xff"`},
		{"invalid with controls", "\x00\xff\"", `"\u0000\\xff\""`},
		{"surrogate is invalid", "\xed\xa0\x80", `"\\xed\\xa0\\x80"`},
		{"overlong is invalid", "\xc0\x80", `"\\xc0\\x80"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendQuoted(nil, []byte(tt.in))); got != tt.want {
				t.Errorf("bytes: %s, want %s", got, tt.want)
			}
			if got := string(AppendQuoted(nil, tt.in)); got != tt.want {
				t.Errorf("string: %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	tests := []struct {
		name string
		add  func(b *Builder)
		want string
	}{
		{"nothing", func(b *Builder) {}, `{}`},
		{"nested", func(b *Builder) {
			b.OpenObject("a")
			b.Uint("n", math.MaxUint64)
			b.OpenArray("l")
			b.ElemInt(-1)
			b.StartObject()
			b.Close()
			b.StartArray()
			b.ElemBool(true)
			b.Close()
			b.ElemString("x")
			b.Close()
			b.Null("z")
			b.Close()
			b.Bool("t", false)
		}, `{"a":{"n":18446744073709551615,"l":[-1,{},[true],"x"],"z":null},"t":false}`},
		{"floats", func(b *Builder) {
			b.OpenArray("f")
			for _, f := range []float64{0, 1, 0.1, 10.5, 1e21, math.NaN(), math.Inf(-1)} {
				b.ElemFloat(f)
			}
			b.Close()
			b.Float("g", -2.25)
		}, `{"f":[0,1,0.1,10.5,1000000000000000000000,null,null],"g":-2.25}`},
		{"base64 and hex", func(b *Builder) {
			b.Base64("b", []byte("Hello"))
			b.Hex("h", []byte{0xde, 0xad, 0x01})
			b.HexColon("c", []byte{0xde, 0xad, 0x01})
			b.OpenArray("l")
			b.ElemBase64([]byte{0xff})
			b.ElemHex(nil)
			b.Close()
		}, `{"b":"SGVsbG8=","h":"dead01","c":"de:ad:01","l":["/w==",""]}`},
		{"printable", func(b *Builder) { b.Printable("p", []byte("A\r\n\t\x00\"\\\xff~\x7f")) },
			`{"p":"A\r\n..\"\\.~."}`},
		{"limited", func(b *Builder) {
			b.StrLimited("a", []byte("abcdef"), 6)
			b.StrLimited("b", []byte("abcdef"), 5)
			b.StrLimited("c", []byte("abcdef"), 2)
			b.StrLimited("d", []byte("aü"), 2)
			b.StrLimited("e", []byte("abc"), 0)
		}, `{"a":"abcdef","b":"abcde[truncated 1 additional byte]","c":"ab[truncated 4 additional bytes]",` +
			`"d":"a\\xc3[truncated 1 additional byte]","e":"[truncated 3 additional bytes]"}`},
		{"raw", func(b *Builder) {
			b.Raw("r", []byte(`{"x":[1]}`))
			b.Members([]byte(`"y":1,"z":2`))
			b.Members(nil)
			b.OpenArray("l")
			b.ElemRaw([]byte(`3`))
			b.ElemRaw([]byte(`4`))
			b.Close()
		}, `{"r":{"x":[1]},"y":1,"z":2,"l":[3,4]}`},
		{"key from elsewhere", func(b *Builder) {
			b.Key([]byte("a\"\xff"))
			b.ElemUint(1)
			b.Key([]byte("o"))
			b.StartObject()
			b.Close()
		}, `{"a\"\\xff":1,"o":{}}`},
		{"rollback", func(b *Builder) {
			b.Uint("a", 1)
			m := b.Mark()
			b.OpenObject("drop")
			b.OpenArray("me")
			b.Rollback(m)
			b.Uint("b", 2)
		}, `{"a":1,"b":2}`},
		{"rollback of the first member", func(b *Builder) {
			m := b.Mark()
			b.Uint("a", 1)
			b.Rollback(m)
			b.Uint("b", 2)
		}, `{"b":2}`},
		{"addresses", func(b *Builder) {
			v6 := []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
			b.IP("a", []byte{10, 0, 200, 1})
			b.IP("b", v6)
			b.CompressIPv6 = true
			b.IP("c", v6)
			b.IP("d", make([]byte, 16))
			b.IP("e", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4})
			b.OpenArray("l")
			b.ElemIP([]byte{1, 2, 3})
			b.ElemIP([]byte{1, 2, 3, 4})
			b.Close()
		}, `{"a":"10.0.200.1","b":"2001:0db8:0000:0000:0000:0000:0000:0001","c":"2001:db8::1","d":"::",` +
			`"e":"::ffff:1.2.3.4","l":["","1.2.3.4"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b Builder
			b.StartObject()
			tt.add(&b)
			b.Close()
			if got := string(b.Bytes()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid(b.Bytes()) || b.Depth() != 0 {
				t.Errorf("not valid JSON, depth %d", b.Depth())
			}
		})
	}
}

func TestLines(t *testing.T) {
	var b Builder
	for range 2 {
		b.StartObject()
		b.Uint("a", 1)
		b.Close()
		b.Newline()
	}
	if got, want := string(b.Bytes()), "{\"a\":1}\n{\"a\":1}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Close()
	if b.Len() != 16 {
		t.Error("closing nothing wrote something")
	}
}

func TestClock(t *testing.T) {
	east := time.FixedZone("", 5*3600+1800)
	at := time.Date(2024, 1, 2, 3, 4, 5, 123456789, time.UTC).UnixNano()
	tests := []struct {
		name string
		loc  *time.Location
		ns   int64
		want string
	}{
		{"utc", nil, at, "2024-01-02T03:04:05.123456+0000"},
		{"east", east, at, "2024-01-02T08:34:05.123456+0530"},
		{"west", time.FixedZone("", -8*3600), at, "2024-01-01T19:04:05.123456-0800"},
		{"epoch", nil, 0, "1970-01-01T00:00:00.000000+0000"},
		{"before it", nil, -1000, "1969-12-31T23:59:59.999999+0000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewClock(tt.loc)
			c.Append(nil, tt.ns+5e9)
			for range 2 {
				if got := string(c.Append(nil, tt.ns)); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			}
		})
	}
	var zero Clock
	if got := string(zero.Append(nil, at)); got != tests[0].want {
		t.Errorf("zero clock: %s", got)
	}
	if got := string(AppendUTC(nil, at/1e9)); got != "2024-01-02T03:04:05" {
		t.Errorf("AppendUTC: %s", got)
	}
}

func TestNoAllocation(t *testing.T) {
	var b Builder
	b.Grow(4096)
	c := NewClock(time.FixedZone("", 7200))
	v4, v6 := []byte{1, 2, 3, 4}, make([]byte, 16)
	bad, good := []byte("caf\xe9 \x01"), []byte("/index.html?grüße")
	ns := int64(1)
	n := testing.AllocsPerRun(100, func() {
		b.Reset()
		b.StartObject()
		b.Time("timestamp", ns, c)
		b.String("event_type", "http")
		b.IP("src_ip", v4)
		b.CompressIPv6 = !b.CompressIPv6
		b.IP("dest_ip", v6)
		b.OpenArray("l")
		b.ElemFloat(1.5)
		b.ElemInt(-5)
		b.Close()
		b.Str("url", good)
		b.Str("agent", bad)
		b.StrLimited("body", bad, 3)
		b.Base64("b", bad)
		b.Hex("h", bad)
		m := b.Mark()
		b.Printable("p", bad)
		b.Rollback(m)
		b.Close()
		b.Newline()
		ns += 2e9
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzBuilder(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, []byte("caf\xe9\x00\"\\"))
	f.Add([]byte{1, 1, 2, 2, 0, 3, 3}, []byte("ü"))
	f.Fuzz(func(t *testing.T, ops, v []byte) {
		var b Builder
		b.StartObject()
		inArray := []bool{false}
		var marks []Mark
		for _, op := range ops {
			arr := inArray[len(inArray)-1]
			if !arr {
				b.Key(v)
			}
			switch op % 13 {
			case 0:
				b.ElemStr(v)
			case 1:
				b.StartObject()
				inArray = append(inArray, false)
				continue
			case 2:
				b.StartArray()
				inArray = append(inArray, true)
				continue
			case 3:
				b.ElemUint(1)
				if len(inArray) > 1 {
					b.Close()
					inArray = inArray[:len(inArray)-1]
					marks = marks[:0]
				}
			case 4:
				b.ElemFloat(math.Float64frombits(uint64(op)<<56 | uint64(len(v))))
			case 5:
				b.ElemString(string(v))
			case 6:
				b.ElemStrLimited(v, int(op)-100)
			case 7:
				b.ElemBase64(v)
			case 8:
				b.ElemHex(v)
			case 9:
				b.ElemIP(v)
			case 10:
				b.ElemBool(true)
				marks = append(marks, b.Mark())
			case 11:
				b.ElemInt(-1)
				if n := len(marks); n > 0 {
					b.Rollback(marks[n-1])
					inArray = inArray[:b.Depth()]
					marks = marks[:n-1]
				}
			case 12:
				if !arr {
					b.ElemInt(0)
					b.Printable("p", v)
				} else {
					b.ElemInt(0)
				}
			}
		}
		for b.Depth() > 0 {
			b.Close()
		}
		if len(inArray) < 5000 && !json.Valid(b.Bytes()) {
			t.Fatalf("not valid JSON: %s", b.Bytes())
		}
		if strings.ContainsAny(string(b.Bytes()), "\n\x00") {
			t.Fatal("raw control characters")
		}
	})
}

// Every byte, at every place of the eight that are looked at together.
func TestEveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			v := []byte(strings.Repeat("~", 20))
			v[at] = byte(c)
			var want string
			switch {
			case c >= 0x80:
				want = fmt.Sprintf(`\\x%02x`, c)
			case c == '"' || c == '\\':
				want = "\\" + string(rune(c))
			case c >= 0x20:
				want = string(rune(c))
			default:
				named := map[int]string{'\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`}
				if want = named[c]; want == "" {
					want = fmt.Sprintf(`\u%04x`, c)
				}
			}
			want = `"` + strings.Repeat("~", at) + want + strings.Repeat("~", 19-at) + `"`
			if got := string(AppendQuoted(nil, v)); got != want {
				t.Fatalf("byte %#x at %d: %s, want %s", c, at, got, want)
			}
		}
	}
}

func BenchmarkStr(b *testing.B) {
	v := []byte("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)")
	var j Builder
	for b.Loop() {
		j.Reset()
		j.StartObject()
		j.Str("http_user_agent", v)
		j.Close()
	}
}
