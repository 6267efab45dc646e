package chain

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWindows(t *testing.T) {
	tests := []struct {
		options string
		want    []Window
	}{
		{`content:"a"; depth:4; content:"bc"; distance:1; within:5;`, []Window{{0, 4}, {2, 10}}},
		{`content:"a"; offset:3; depth:4; content:"b"; distance:-9; within:20;`, []Window{{3, 7}, {0, 18}}},
		{`content:"a"; content:"b"; distance:2;`, []Window{{0, 0}, {3, 0}}},
		{`content:"ab"; startswith; content:!"x"; within:9; content:"c"; within:1;`, []Window{{0, 2}, {}, {2, 3}}},
		{`content:"a"; distance:2; within:3;`, []Window{{2, 5}}},
		{`content:"a"; depth:1; byte_jump:1,0; content:"b"; within:1;`, []Window{{0, 1}, {}, {0, 0}}},
		{`byte_extract:1,0,n; content:"a"; offset:n; depth:5; content:"b"; depth:n; content:"c"; distance:n; within:1;`, []Window{{}, {0, 0}, {0, 0}, {0, 0}}},
		{`content:"a"; depth:9; content:"b"; distance:-5; within:2;`, []Window{{0, 9}, {0, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.options, func(t *testing.T) {
			es, err := parseElems(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := Windows(es); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestWindowsHold matches random chains and looks for a hit of each content in its window.
func TestWindowsHold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	c := newTestCtx(t)
	word := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abc"[r.IntN(3)]
		}
		return b
	}
	matches := 0
	for range 30000 {
		var es []Elem
		for range 1 + r.IntN(3) {
			x := &Content{Data: word(1 + r.IntN(2)), Negated: r.IntN(6) == 0}
			size := int64(len(x.Data))
			switch r.IntN(4) {
			case 0:
				x.HasOffset, x.Offset.N = true, r.Int64N(5)
				x.HasDepth, x.Depth.N = true, size+r.Int64N(5)
			case 1, 2:
				x.HasDistance, x.Distance.N = true, r.Int64N(9)-4
				if r.IntN(2) == 0 {
					x.HasWithin, x.Within.N = true, size+r.Int64N(5)
				}
			}
			es = append(es, x)
		}
		p, err := Compile(es, &Vars{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		data := word(r.IntN(14))
		if !p.Match(c, data, 0, End) {
			continue
		}
		matches++
		for i, w := range Windows(es) {
			x := es[i].(*Content)
			if x.Negated {
				continue
			}
			to := len(data)
			if w.To != 0 {
				to = min(to, int(w.To))
			}
			if int(w.From) > to || !bytes.Contains(data[w.From:to], x.Data) {
				t.Fatalf("%q has no hit of content %d in %v: %+v", data, i, w, x)
			}
		}
	}
	if matches < 1000 {
		t.Errorf("only %d matches", matches)
	}
}
