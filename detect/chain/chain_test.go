package chain

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sentinel/detect/pcre"
	"sentinel/rules"
)

// parseElems turns the options of a rule into conditions.
func parseElems(options string) ([]Elem, error) {
	r, err := rules.ParseRule("alert ip any any -> any any (" + options + ")")
	if err != nil {
		return nil, err
	}
	var es []Elem
	last := &Content{} // for modifiers without a content
	num := func(has *bool, n *Num, v string) error {
		*has = true
		var err error
		*n, err = ParseNumber(v, -MaxDistance, MaxDistance)
		return err
	}
	for _, o := range r.Options {
		var e Elem
		var err error
		switch o.Name {
		case "content":
			if last, err = ParseContent(o.Value); err != nil {
				return nil, err
			}
			e = last
		case "nocase":
			last.Nocase = true
		case "startswith":
			last.StartsWith = true
		case "endswith":
			last.EndsWith = true
		case "offset":
			err = num(&last.HasOffset, &last.Offset, o.Value)
		case "depth":
			err = num(&last.HasDepth, &last.Depth, o.Value)
		case "distance":
			err = num(&last.HasDistance, &last.Distance, o.Value)
		case "within":
			err = num(&last.HasWithin, &last.Within, o.Value)
		case "replace":
			v, _, _ := o.Split(rules.QuotesMandatory, false)
			last.Replace, err = ParseBytes(v)
		case "byte_test":
			e, err = ParseByteTest(o.Value)
		case "byte_jump":
			e, err = ParseByteJump(o.Value)
		case "byte_extract":
			e, err = ParseByteExtract(o.Value)
		case "byte_math":
			e, err = ParseByteMath(o.Value)
		case "isdataat":
			e, err = ParseIsDataAt(o.Value)
		case "bsize":
			z, zerr := ParseBSize(o.Value)
			e, err = &z, zerr
		case "pcre":
			s, serr := pcre.ParseSuricata(o.Value)
			if serr != nil {
				return nil, serr
			}
			re, rerr := s.Compile()
			e, err = &Pcre{Re: re, Negated: s.Negated, Relative: s.Relative, Captures: s.Captures}, rerr
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
		if e != nil {
			es = append(es, e)
		}
	}
	return es, nil
}

func compileText(options string) (*Program, error) { return compileWith(options, Options{}) }

func compileWith(options string, o Options) (*Program, error) {
	es, err := parseElems(options)
	if err != nil {
		return nil, err
	}
	return Compile(es, &Vars{}, o)
}

func newTestCtx(t testing.TB) *Ctx {
	t.Helper()
	m, err := pcre.NewMatcher(pcre.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return NewCtx(m)
}

// TestMatch has examples of the user guide (payload-keywords.rst) and what its text says.
func TestMatch(t *testing.T) {
	tests := []struct {
		options string
		yes, no []string
	}{
		{`content:"abc";`, []string{"abc", "xxabcxx"}, []string{"", "ab", "ABC"}},
		{`content:"aBc"; nocase;`, []string{"AbC", "xabcx"}, []string{"ab"}},
		{`content:"a|42|c|3a 20|";`, []string{"aBc: "}, []string{"a42c"}},
		{`content:!"Firefox/3.6.13";`, []string{"", "Firefox/3.6.12"}, []string{"Firefox/3.6.13"}},
		{`content:"def"; depth:3;`, []string{"defghij"}, []string{"abcdef"}},
		{`content:"def"; offset:3; depth:3;`, []string{"abcdefghij", "defdef"}, []string{"abcdXef", "abcdxdef", "defxxdef"}},
		{`content:"GET|20|"; startswith;`, []string{"GET /"}, []string{" GET "}},
		{`content:".php"; endswith;`, []string{"index.php", ".phpx.php"}, []string{"index.php1", ""}},
		{`content:"abc"; content:"def"; distance:0;`, []string{"abcdef", "abcxxdef"}, []string{"defabc", "abdef"}},
		{`content:"abc"; content:"def"; distance:3;`, []string{"abcxxxdef", "abcxxxxdef"}, []string{"abcxxdef"}},
		{`content:"abc"; content:"klm"; distance:-2;`, []string{"abcklm"}, []string{"ab"}},
		{`content:"abc"; content:"bcd"; distance:-2;`, []string{"abcd"}, []string{"abbcd"}},
		{`content:"abc"; content:"def"; within:3;`, []string{"abcdef"}, []string{"abcxdef"}},
		{`content:"abc"; content:"def"; distance:1; within:4;`, []string{"abcxdef", "abcxxdef"}, []string{"abcdef", "abcxxxdef"}},
		// Later hits of the first content count.
		{`content:"ab"; content:"cd"; within:2;`, []string{"ab ab abcd"}, []string{"ab cd ab"}},
		{`content:"a"; content:"b"; distance:0; content:"c"; within:1;`, []string{"a b bc"}, []string{"a b b c"}},
		{`content:"a"; content:!"b"; within:1;`, []string{"ab ac", "ba"}, []string{"ab", "xx"}},
		// A negated relative content that would begin beyond the end is true.
		{`content:"ab"; content:!"cd"; distance:10;`, []string{"ab", "abxcd"}, []string{"cd", "ab0123456789cd"}},
		{`content:"ab"; content:!"cd"; distance:0;`, []string{"ab"}, []string{"abcd", "ab xx cd"}},
		// Found in Suricata 8.0.7, not in the user guide: a negated content counts as found at the start for
		// a content after it, and of a negated endswith only the first hit is looked at.
		{`content:!"A|02|"; content:"|02|"; distance:1; within:1;`, nil, []string{"2\x022B1A \x01"}},
		{`content:!"a"; endswith;`, []string{"b", "aba"}, []string{"ba", "a"}},
		{`byte_jump:0,1,string,dec; content:"x"; within:1;`, []string{"a 2aax"}, []string{"a 2ax"}},
		{`content:"abc"; isdataat:!1,relative;`, []string{"xabc"}, []string{"abcx"}},
		{`content:"abc"; isdataat:5,relative;`, []string{"abc12345"}, []string{"abc1234"}},
		{`isdataat:5;`, []string{"123456"}, []string{"12345"}},
		{`isdataat:!5;`, []string{"12345"}, []string{"123456"}},
		{`bsize:2;`, []string{"ab"}, []string{"", "a", "abc"}},
		{`bsize:0;`, []string{""}, []string{"a"}},
		{`bsize:1<>4;`, []string{"ab", "abc"}, []string{"a", "abcd"}},
		{`content:"a"; bsize:>2;`, []string{"abc"}, []string{"ab"}},
		{`byte_test:2,=,0x01,0;`, []string{"\x00\x01"}, []string{"\x01\x00", "\x00"}},
		{`content:"|00 01 00 02|"; byte_test:2,>,512,-2,relative,little;`, nil, []string{"\x00\x01\x00\x02\x00"}},
		{`content:"|00 01 00 02|"; byte_test:2,=,512,-2,relative,little;`, []string{"\x00\x01\x00\x02\x00"}, nil},
		{`byte_test:4,!=,1234,0,string,dec;`, []string{"1235"}, []string{"1234", "abcd"}},
		{`byte_test:4,=,0xab,0,string,hex;`, []string{"00ab", "ab--", "0xab"}, []string{"xxab"}},
		{`byte_test:3,=,8,0,string,oct;`, []string{"010"}, []string{"008"}},
		{`byte_test:1,&,0x80,0;`, []string{"\x80", "\xff"}, []string{"\x7f"}},
		{`byte_test:1,^,1,0;`, []string{"\x00"}, []string{"\x01"}},
		{`byte_test:1,!&,0x80,0;`, []string{"\x7f"}, []string{"\x80"}},
		{`byte_test:2,=,2,0,bitmask 0x0ff0;`, []string{"\xf0\x2f"}, []string{"\x00\x02"}},
		{`byte_jump:1,0; content:"x"; within:1;`, []string{"\x02abx"}, []string{"\x02abcx", "\x05ab"}},
		{`byte_jump:1,0,multiplier 2; isdataat:!1,relative;`, []string{"\x01ab"}, []string{"\x01abc"}},
		{`byte_jump:1,0,align; content:"x"; within:1;`, []string{"\x01abcdx"}, []string{"\x01ax"}},
		{`byte_jump:1,1,from_beginning; content:"x"; within:1;`, nil, []string{"a\x05x"}},
		{`byte_jump:1,1,from_beginning; content:"x"; within:1;`, []string{"a\x02x"}, []string{"ax"}},
		{`byte_jump:0,0,from_end,post_offset -3; content:"abc"; within:3;`, []string{"xxabc"}, []string{"abcx"}},
		{`byte_jump:1,0,post_offset -100; content:"|02|"; within:1;`, []string{"\x02ab"}, []string{"\x01"}},
		{`content:"n="; byte_jump:2,0,relative,string,dec; content:"z"; within:1;`, []string{"n=03abcz"}, []string{"n=03abz", "n=xx"}},
		{`byte_extract:1,0,size; content:"ab"; offset:size;`, []string{"\x03xxab", "\x03xxxab"}, []string{"\x05xxab"}},
		{`byte_extract:1,0,size; content:"ab"; depth:size;`, []string{"\x03ab", "\x03abx"}, []string{"\x03xab"}},
		{`byte_extract:1,0,size; content:"a"; content:"b"; distance:size;`, []string{"\x02axxb"}, []string{"\x02axb"}},
		{`byte_extract:1,0,size; content:"a"; content:"b"; within:size;`, []string{"\x02axb"}, []string{"\x02axxb"}},
		{`byte_extract:1,0,size; isdataat:!size,relative;`, []string{"\x04abc"}, []string{"\x02abc"}},
		{`byte_extract:1,0,size,multiplier 2,align 4; byte_test:1,=,size,1;`, []string{"\x03\x08"}, []string{"\x03\x06"}},
		{`byte_extract:1,0,n; byte_extract:1,1,v; byte_test:n,=,v,2;`, []string{"\x02\x05\x00\x05"}, []string{"\x01\x05\x00\x05"}},
		{`byte_extract:3,0,v,string,dec; byte_test:1,=,v,3;`, []string{"010\x0a"}, []string{"012\x0a"}},
		{`byte_extract:1,0,a; byte_math:bytes 1, offset 1, oper +, rvalue a, result r; byte_test:1,=,r,2;`, []string{"\x02\x03\x05"}, []string{"\x02\x03\x06"}},
		{`byte_math:bytes 1, offset 0, oper -, rvalue 1, result r; byte_jump:0,r; isdataat:!1,relative;`, []string{"\x04xx"}, []string{"\x04xxx"}},
		{`byte_math:bytes 1, offset 0, oper /, rvalue 0, result r;`, nil, []string{"\x04"}},
		{`byte_math:bytes 1, offset 0, oper <<, rvalue 3, result r; byte_test:1,=,r,1;`, []string{"\x01\x08"}, []string{"\x01\x04"}},
		{`byte_math:bytes 2, offset 0, oper *, rvalue 2, result r, endian little; byte_test:2,=,r,2;`, []string{"\x03\x00\x00\x06"}, []string{"\x00\x03\x00\x06"}},
		{`pcre:"/ab+c/i";`, []string{"xABBC"}, []string{"ac"}},
		{`content:"id="; pcre:"/^\d{3}$/R";`, []string{"id=123", "id=x id=456"}, []string{"id=12", "123"}},
		{`pcre:"/[a-z]=/"; content:"x"; within:1;`, []string{"a=b=x"}, []string{"a=b=y"}},
		{`content:"a"; pcre:!"/b/R";`, []string{"ba"}, []string{"xx"}},
		{`pcre:!"/b/"; content:"a";`, []string{"xa"}, []string{"ba", "x"}},
	}
	c := newTestCtx(t)
	for _, tt := range tests {
		t.Run(tt.options, func(t *testing.T) {
			p, err := compileText(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.yes {
				if !p.Match(c, []byte(s), 0, End) {
					t.Errorf("%q does not match", s)
				}
			}
			for _, s := range tt.no {
				if p.Match(c, []byte(s), 0, End) {
					t.Errorf("%q matches", s)
				}
			}
			if p.Match(c, nil, 0, 0) {
				t.Error("no buffer matches")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, options := range []string{
		`content:"";`, `content:"a|0|";`, `content:"|0g|";`, `content:"a|00";`, `content:"a\b";`, `content:abc;`, `content:"a"b";`,
		`content:"abc"; depth:2;`, `content:"a"; content:"abc"; within:2;`, `content:"a"; depth:1; distance:1;`, `content:"a"; offset:x;`,
		`content:"a"; startswith; offset:1;`, `content:"a"; offset:65536;`, `content:"a"; content:"b"; distance:1048577;`, `content:"a"; offset:-1;`,
		`content:"abc"; replace:"ab";`,
		`byte_test:1,=,1;`, `byte_test:9,=,1,0;`, `byte_test:24,=,1,0,string,dec;`, `byte_test:1,==,1,0;`, `byte_test:1,=,1,0,hex;`, `byte_test:x,=,1,0;`,
		`byte_test:1,=,1,0,dce,little;`, `byte_test:1,=,1,0,bitmask zz;`, `byte_test:1,=,1,0,sideways;`, `byte_test:1,,1,0;`, `byte_test:1,=,,0;`, `byte_test:-1,=,1,0;`,
		`byte_jump:1;`, `byte_jump:1,65536;`, `byte_jump:1,0,multiplier 0;`, `byte_jump:1,0,from_end,from_beginning;`, `byte_jump:1,0,bitmask 0;`, `byte_jump:9,0;`,
		`byte_extract:1,0;`, `byte_extract:9,0,x;`, `byte_extract:1,0,x,dec,string;`, `byte_extract:1,0,x,string,big;`, `byte_extract:1,0,x,align 3;`,
		`byte_extract:1,0,x,multiplier 0;`, `byte_extract:1,0,x,relative,relative;`, `byte_extract:1,40000,x;`, `byte_extract:21,0,x,string,dec;`, `byte_extract:1,0,x,slice;`,
		`byte_math:bytes 1, offset 0, oper +, rvalue 1;`, `byte_math:bytes 11, offset 0, oper +, rvalue 1, result r;`, `byte_math:bytes 5, offset 0, oper <<, rvalue 1, result r;`,
		`byte_math:bytes 1, offset 0, oper %, rvalue 1, result r;`, `byte_math:bytes 1, offset 0, oper +, rvalue y, result r;`, `byte_math:bytes 1, offset 0, oper +, rvalue 4294967296, result r;`,
		`isdataat:x;`, `isdataat:70000;`, `isdataat:5,rawbytes;`, `isdataat:5,relativ;`,
		`bsize:5<>6;`, `bsize:<0;`, `bsize:x;`, `bsize:1-;`, `pcre:"/a/R";`,
	} {
		if _, err := compileText(options); err == nil {
			t.Errorf("%s: no error", options)
		}
	}
}

func TestStream(t *testing.T) {
	tests := []struct {
		options, data string
		stream        uint64
		flags         Flags
		want          bool
	}{
		{`content:"ab"; depth:4;`, "ab", 2, 0, true},
		{`content:"ab"; depth:4;`, "xab", 2, 0, false},
		{`content:"ab"; depth:4;`, "ab", 4, 0, false},
		{`bsize:6;`, "ab", 4, End, true},
		{`bsize:>6;`, "ab", 4, 0, false},
		{`byte_test:2,=,1,0,dce;`, "\x01\x00", 0, DCELittle, true},
		{`byte_test:2,=,1,0,dce;`, "\x00\x01", 0, DCEBig, true},
		{`byte_test:2,=,1,0,dce;`, "\x00\x01", 0, 0, false},
		{`byte_extract:2,0,r,dce;`, "\x00\x01", 0, 0, false},
		{`byte_jump:2,0,dce; content:"x"; within:1;`, "\x01\x00ax", 0, DCELittle, true},
		{`byte_math:bytes 2, offset 0, oper +, rvalue 0, result r, dce; byte_test:1,=,r,2;`, "\x00\x01\x01", 0, DCEBig, true},
	}
	c := newTestCtx(t)
	for _, tt := range tests {
		t.Run(tt.options, func(t *testing.T) {
			p, err := compileText(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(c, []byte(tt.data), tt.stream, tt.flags); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestResults(t *testing.T) {
	c := newTestCtx(t)
	p, err := compileText(`content:"ab"; replace:"AB"; content:"cd"; within:2; replace:"CD"; pcre:"/(\d+)=(\w+)/R, flow:num, pkt:word"; content:"!"; within:1;`)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("ab abcd 1=a 22=bb!")
	if !p.Match(c, data, 0, 0) {
		t.Fatal("no match")
	}
	if len(c.Replacements) != 2 || c.Replacements[0].At != 3 || string(c.Replacements[1].With) != "CD" || c.Replacements[1].At != 5 {
		t.Errorf("replacements %+v", c.Replacements)
	}
	if len(c.Captured) != 2 || c.Captured[0].Capture.Name != "num" || string(c.Captured[1].Value) != "bb" {
		t.Errorf("captured %+v", c.Captured)
	}
}

func TestVarsOfOtherBuffer(t *testing.T) {
	c, vars := newTestCtx(t), &Vars{}
	var ps []*Program
	for _, options := range []string{`byte_extract:1,0,n;`, `byte_test:1,=,n,0;`} {
		es, err := parseElems(options)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(es, vars, Options{Sticky: true})
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	if !ps[0].Match(c, []byte{7}, 0, 0) || !ps[1].Match(c, []byte{7}, 0, 0) || ps[1].Match(c, []byte{8}, 0, 0) {
		t.Error("the variable does not reach the other buffer")
	}
}

// TestLimit has a chain that cannot match and would try every triple of hits.
func TestLimit(t *testing.T) {
	p, err := compileText(`content:"a"; content:"a"; within:100; content:"a"; within:100; content:"b"; within:1;`)
	if err != nil {
		t.Fatal(err)
	}
	c := newTestCtx(t)
	data := bytes.Repeat([]byte("a"), 200)
	if p.Match(c, data, 0, 0) || c.Exhausted != 1 {
		t.Errorf("exhausted %d times", c.Exhausted)
	}
	data = append(data, 'b')
	if p.Match(c, data, 0, 0) {
		t.Error("matches within the default limit")
	}
	c.Limit = -1
	if !p.Match(c, data, 0, 0) {
		t.Error("does not match without the limit")
	}
	// The condition that meets the limit is not tried: two conditions need a limit of three.
	if p, err = compileText(`content:"a"; content:"b"; within:1;`); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]bool{2: false, 3: true} {
		c.Limit = limit
		if p.Match(c, []byte("ab"), 0, 0) != want {
			t.Errorf("limit %d: match %v", limit, !want)
		}
	}
}

type checker struct{ pos int }

func (k checker) Check(data []byte, pos int) Verdict {
	if pos == k.pos {
		return Match
	}
	return NoMatch
}

func TestCheck(t *testing.T) {
	c := newTestCtx(t)
	p, err := Compile([]Elem{&Content{Data: []byte("ab")}, &Check{checker{2}}}, &Vars{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match(c, []byte("abx"), 0, 0) || p.Match(c, []byte("xab"), 0, 0) {
		t.Error("the check does not see the position")
	}
	if _, err := Compile([]Elem{&Check{}}, &Vars{}, Options{}); err == nil {
		t.Error("an empty check compiles")
	}
}

func TestAllocates(t *testing.T) {
	p, err := compileText(`content:"user"; nocase; byte_extract:2,0,n,relative,string,dec; content:"b"; within:n; byte_test:n,=,1,0,relative; isdataat:!100; content:"zz"; distance:0;`)
	if err != nil {
		t.Fatal(err)
	}
	c := newTestCtx(t)
	data := []byte("USER user03xxb\x00\x00\x01 user")
	if n := testing.AllocsPerRun(100, func() { p.Match(c, data, 0, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFinder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "aAbB.z"
	word := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return b
	}
	for range 20000 {
		pat, data := word(1+r.IntN(5)), word(r.IntN(60))
		for _, nocase := range []bool{false, true} {
			f := newFinder(pat, nocase)
			want := bytes.Index(data, pat)
			if nocase {
				want = bytes.Index(bytes.ToLower(data), bytes.ToLower(pat))
			}
			if got := f.index(data); got != want {
				t.Fatalf("%q in %q, nocase %v: %d, want %d", pat, data, nocase, got, want)
			}
		}
	}
	// Nearly matching data, so that the rolling sum takes over.
	data := bytes.Repeat([]byte("aA"), 5000)
	pat := append(bytes.Repeat([]byte("a"), 200), 'b')
	f := newFinder(pat, true)
	if f.index(data) != -1 || f.index(append(data, 'B')) != 10000-200 {
		t.Error("wrong place in nearly matching data")
	}
}

func BenchmarkFinder(b *testing.B) {
	data := []byte(strings.Repeat("GET /index.php?id=12 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\n", 18))
	for _, nocase := range []bool{false, true} {
		f := newFinder([]byte("sometoken"), nocase)
		b.Run(fmt.Sprintf("nocase=%v", nocase), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				f.index(data)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	p, err := compileText(`content:"GET "; startswith; content:".php?"; distance:0; content:"id="; within:10; pcre:"/^\d+/R";`)
	if err != nil {
		b.Fatal(err)
	}
	c := newTestCtx(b)
	data := []byte("GET /index/of/something.php?session=1&id=12 HTTP/1.1\r\nHost: a\r\n\r\n")
	for b.Loop() {
		p.Match(c, data, 0, End)
	}
}

func FuzzChain(f *testing.F) {
	f.Add(`content:"a|00|"; nocase; byte_extract:1,0,n,relative; content:!"b"; distance:n; within:200;`, []byte("A\x00\x03xxxc"), uint16(0))
	f.Add(`byte_math:bytes 4, offset -3, oper -, rvalue 7, result r, relative, string hex, bitmask 0xf0; byte_jump:r,r,from_end,post_offset -9,multiplier 3; isdataat:!r,relative;`, []byte("0xffff"), uint16(9))
	f.Add(`content:"a"; depth:9; pcre:"/(b+)/R, flow:x"; bsize:3<>90; content:"c"; endswith;`, []byte("xabbbc"), uint16(1))
	f.Fuzz(func(t *testing.T, options string, data []byte, stream uint16) {
		p, err := compileText(options)
		if err != nil {
			return
		}
		c := newTestCtx(t)
		p.Match(c, data, uint64(stream), Flags(stream&7))
	})
}

// noting is a Capturer that is true where the buffer has a byte at the position, which it notes.
type noting struct {
	want    byte
	capture pcre.Capture
}

func (n *noting) Check([]byte, int) Verdict { panic("CheckCapture is asked") }

func (n *noting) CheckCapture(data []byte, pos int) (Verdict, Captured) {
	if pos >= len(data) || data[pos] != n.want {
		return NoMatch, Captured{Capture: &n.capture, Value: []byte("not this")}
	}
	return Match, Captured{Capture: &n.capture, Value: data[pos : pos+1]}
}

// What a check notes counts when the whole chain matches, with the last position that was tried.
func TestCapturer(t *testing.T) {
	x := &noting{want: '!', capture: pcre.Capture{Scope: pcre.AlertJSON, Name: "x"}}
	p, err := Compile([]Elem{&Content{Data: []byte("a")}, &Check{Checker: x}, &Content{Data: []byte("z"), HasWithin: true, Within: Num{N: 3}}}, &Vars{}, Options{Sticky: true})
	if err != nil {
		t.Fatal(err)
	}
	c := NewCtx(nil)
	for _, v := range []struct {
		data string
		want bool
	}{{"aa!z", true}, {"a!y", false}, {"a?z", false}, {"a!..a!z", true}} {
		if got := p.Match(c, []byte(v.data), 0, 0); got != v.want {
			t.Errorf("%s: %v", v.data, got)
			continue
		}
		if !v.want {
			continue
		}
		if len(c.Captured) != 1 || c.Captured[0].Capture != &x.capture || string(c.Captured[0].Value) != "!" {
			t.Errorf("%s: captured %+v", v.data, c.Captured)
		}
	}
	data := []byte("a!z")
	if n := testing.AllocsPerRun(100, func() { p.Match(c, data, 0, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
