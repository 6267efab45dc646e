package keyword

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/detect/mpm/ac"
	"sentinel/internal/conf"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/app"
	dir "sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// compile compiles a rule with every keyword of this package.
func compile(proto, options string) (*detect.Ruleset, error) {
	text := "alert " + proto + " any any -> any any (" + options + "; sid:1;)\n"
	rs, errs := rules.Parse(strings.NewReader(text), "test.rules")
	if len(errs) > 0 {
		return nil, errs[0]
	}
	set, errs2 := detect.Compile(detect.Config{Registry: app.NewRegistry(nil, nil), Keywords: All(), Engine: ac.New(), Generation: 1}, rs)
	if len(errs2) > 0 {
		return nil, errs2[0]
	}
	return set, nil
}

// alerts notes which packets alert.
type alerts struct {
	w    *detect.Worker
	seen []uint64
}

func (a *alerts) Run(u *stream.Unit) {
	if len(a.w.Inspect(u)) > 0 {
		a.seen = append(a.seen, u.Count)
	}
}
func (a *alerts) FlowEnd(*dir.Flow, *stream.State, *tcp.Session) {}
func (a *alerts) TxFree(*dir.Flow, *app.Tx)                      {}
func (a *alerts) FlowFree(*dir.Flow)                             {}

// judge runs a capture through an engine and returns the packets that alert.
func judge(t *testing.T, set *detect.Ruleset, pcap []byte) []uint64 {
	t.Helper()
	src, err := pcapfile.NewReader(bytes.NewReader(pcap), "test.pcap", pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tree, _, err := conf.Parse(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	a := &alerts{w: set.NewWorker(detect.NewShared(0))}
	e, err := stream.New(stream.Config{Registry: app.NewRegistry(nil, nil), Root: tree.Root(), TCP: tcp.DefaultConfig(), Detection: true,
		Checksums: stream.ChecksumNone}, a)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	stack := decode.NewStack(decode.DefaultConfig())
	frames := make([]capture.Frame, 8)
	count := uint64(0)
	for {
		n, err := src.Read(context.Background(), frames)
		for i := range frames[:n] {
			count++
			for k := range stack.Decode(&frames[i]) {
				e.Process(&stack.Packets[k], count, frames[i].Time)
			}
		}
		src.Release(frames[:n])
		if errors.Is(err, io.EOF) {
			return a.seen
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReference compares with verdicts of the reference.
func TestReference(t *testing.T) {
	pcap, err := os.ReadFile("testdata/header.pcap")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("testdata/header.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rule, want, n := "", "", 0
	check := func() {
		if rule == "" {
			return
		}
		n++
		proto, options, _ := strings.Cut(rule, " ")
		t.Run(rule, func(t *testing.T) {
			set, err := compile(proto, options)
			if err != nil {
				if want != "error" {
					t.Errorf("refused: %v; want %s", err, want)
				}
				return
			}
			got := strings.Trim(fmt.Sprint(judge(t, set, pcap)), "[]")
			if got == "" {
				got = "none"
			}
			if got != want {
				t.Errorf("packets %s, want %s", got, want)
			}
		})
	}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			want = strings.TrimPrefix(line[1:], "9.0 ")
		default:
			check()
			rule = line
		}
	}
	check()
	if n < 200 {
		t.Errorf("only %d rules were tried", n)
	}
}
