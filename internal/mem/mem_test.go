package mem

import (
	"math/rand"
	"testing"
)

func TestPoolBlocksDoNotOverlap(t *testing.T) {
	b := NewBudget(64 << 20)
	p := NewPool(Other, b)
	type held struct {
		b    Block
		mark byte
	}
	r := rand.New(rand.NewSource(1))
	var hs []held
	fill := func(h held) {
		d := p.Bytes(h.b)
		for i := 0; i < len(d); i += 512 {
			d[i] = h.mark
		}
	}
	for i := range 20000 {
		if len(hs) > 0 && r.Intn(3) == 0 {
			k := r.Intn(len(hs))
			d := p.Bytes(hs[k].b)
			for j := 0; j < len(d); j += 512 {
				if d[j] != hs[k].mark {
					t.Fatalf("step %d: block was overwritten", i)
				}
			}
			p.Put(hs[k].b)
			hs[k] = hs[len(hs)-1]
			hs = hs[:len(hs)-1]
			continue
		}
		n := 1 << r.Intn(18)
		x := p.Get(n)
		if x == 0 {
			continue
		}
		if len(p.Bytes(x)) != Size(n) {
			t.Fatalf("block of %d bytes for %d", len(p.Bytes(x)), n)
		}
		h := held{x, byte(r.Intn(256))}
		fill(h)
		hs = append(hs, h)
	}
	if b.Used() > b.Limit() {
		t.Fatalf("used %d of %d", b.Used(), b.Limit())
	}
	for _, h := range hs {
		p.Put(h.b)
	}
	if b.Used() != 0 {
		t.Fatalf("%d bytes leaked", b.Used())
	}
	if got := InUse(Other); got != MaxBlock {
		t.Fatalf("%d bytes mapped after all was freed, want one region", got)
	}
	p.Close()
	if got := InUse(Other); got != 0 {
		t.Fatalf("%d bytes mapped after Close", got)
	}
}

func TestPoolLimits(t *testing.T) {
	p := NewPool(Other, NewBudget(3<<10))
	defer p.Close()
	for _, c := range []struct {
		n  int
		ok bool
	}{{0, false}, {-1, false}, {MaxBlock + 1, false}, {4 << 10, false}, {2 << 10, true}, {2 << 10, false}, {1, true}, {1, false}} {
		if got := p.Get(c.n) != 0; got != c.ok {
			t.Errorf("Get(%d) = %v, want %v", c.n, got, c.ok)
		}
	}
}

func TestSlab(t *testing.T) {
	type rec struct{ a, b uint64 }
	b := NewBudget(16 * 1000)
	s := NewSlab[rec](Other, b)
	defer s.Close()
	var ids []uint32
	for {
		i := s.New()
		if i == 0 {
			break
		}
		s.At(i).a = uint64(i)
		ids = append(ids, i)
	}
	if len(ids) != 1000 {
		t.Fatalf("%d records within the budget, want 1000", len(ids))
	}
	for _, i := range ids {
		if s.At(i).a != uint64(i) {
			t.Fatalf("record %d was overwritten", i)
		}
	}
	s.Free(ids[7])
	if Invariants && s.At(ids[7]).b != 0xCCCCCCCCCCCCCCCC {
		t.Error("freed record is not poisoned")
	}
	i := s.New()
	if i != ids[7] || s.At(i).a != 0 {
		t.Errorf("got record %d with %d, want %d zeroed", i, s.At(i).a, ids[7])
	}
	if n := testing.AllocsPerRun(100, func() { s.Free(i); i = s.New() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSlabRefusesPointers(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a type with pointers was accepted")
		}
	}()
	NewSlab[struct{ p *int }](Other, NewBudget(0))
}
