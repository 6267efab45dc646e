package stream

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// toy is a protocol of one transaction a direction: it counts bytes.
type toy struct {
	tx    toyTx
	live  bool
	bytes [2]int
}

type toyTx struct{ app.Tx }

func (t *toy) Parse(in *app.Input) app.Result {
	if !t.live && t.tx.ID == 0 {
		t.tx.ID = 1
		t.live = true
	}
	t.bytes[in.Dir] += len(in.Data)
	if in.EOF {
		t.tx.Progress[in.Dir] = 1
	}
	return app.Result{Consumed: len(in.Data)}
}

func (t *toy) Next(after uint64) (app.Transaction, bool) {
	if t.live && after < 1 {
		return &t.tx, true
	}
	return nil, false
}

func (t *toy) Free(id uint64) {
	if id == 1 {
		t.live = false
	}
}

// book notes what an engine told it.
type book struct {
	e        *Engine
	units    int
	pseudo   int
	eof      int
	ended    []string
	bytes    [2]int
	txFree   int
	flowFree int
}

func (b *book) Run(u *Unit) {
	b.units++
	if u.Has(Pseudo) {
		b.pseudo++
	}
	if u.Has(EndOfFlow) {
		b.eof++
	}
	if s := u.App; s != nil {
		for after := uint64(0); ; {
			t, ok := s.Next(after)
			if !ok {
				break
			}
			after = t.Base().ID
			if s.Progress(t.Base(), u.Dir) >= s.Complete(u.Dir) {
				t.Base().InspectEnd[u.Dir] = true
			}
		}
	}
}

func (b *book) FlowEnd(f *flow.Flow, s *State, t *tcp.Session) {
	b.ended = append(b.ended, b.e.reg.EVEName(f.App))
	if s != nil && s.Parser != nil {
		p := s.Parser.(*toy)
		b.bytes[0] += p.bytes[0]
		b.bytes[1] += p.bytes[1]
	}
}
func (b *book) TxFree(*flow.Flow, *app.Tx) { b.txFree++ }
func (b *book) FlowFree(*flow.Flow)        { b.flowFree++ }

func toyProtocol() *app.Protocol {
	return &app.Protocol{
		Name: "toy", Transport: app.TCP,
		Patterns: []app.Pattern{{Transport: app.TCP, Dir: app.ToServer, Data: "GET "}, {Transport: app.TCP, Dir: app.ToClient, Data: "HTTP/1"}},
		Setup:    func(app.Settings) (func() app.Parser, error) { return func() app.Parser { return new(toy) }, nil },
		States:   [2][]string{{"open", "done"}, {"open", "done"}},
	}
}

// runFile takes a capture of ours through an engine.
func runFile(t *testing.T, name string) *book {
	t.Helper()
	src, err := pcapfile.Open(filepath.Join("..", "qa", "pcaps", name), pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tree, _, err := conf.Parse(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	b := &book{}
	e, err := New(Config{Registry: app.NewRegistry([]*app.Protocol{toyProtocol()}, nil), Root: tree.Root(), TCP: tcp.DefaultConfig(),
		Detection: true}, b)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b.e = e
	stack := decode.NewStack(decode.DefaultConfig())
	frames := make([]capture.Frame, 64)
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
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e.Shutdown()
	return b
}

// TestEngine runs two recorded downloads. What the parser must have got, each byte once, is the sum of tcp.len that tshark
// prints for each side.
func TestEngine(t *testing.T) {
	b := runFile(t, "eicar.pcap")
	if len(b.ended) != b.flowFree {
		t.Errorf("%d flows ended, %d were freed", len(b.ended), b.flowFree)
	}
	for _, p := range b.ended {
		if p != "toy" {
			t.Errorf("flow of protocol %q", p)
		}
	}
	if want := [2]int{88 + 133, 681}; b.bytes != want {
		t.Errorf("the parser got %d bytes, want %d", b.bytes, want)
	}
	if b.txFree != len(b.ended) {
		t.Errorf("%d transactions freed of %d", b.txFree, len(b.ended))
	}
}
