package app

import (
	"slices"
	"testing"
)

func TestRaise(t *testing.T) {
	var x Tx
	x.Raise(3)
	if len(x.Again) != 0 || !x.Events.Has(3) {
		t.Errorf("after one: %v, %v", x.Events, x.Again)
	}
	x.Raise(3)
	x.Raise(7)
	x.Raise(3)
	if !slices.Equal(x.Again, []uint8{3, 3}) {
		t.Errorf("repetitions: %v", x.Again)
	}
	for range 1000 {
		x.Raise(7)
	}
	if len(x.Again) > maxAgain {
		t.Errorf("%d repetitions are kept", len(x.Again))
	}
}
