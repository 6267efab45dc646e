package cpulist

import (
	"errors"
	"testing"
)

func TestRange(t *testing.T) {
	for _, tt := range []struct {
		text      string
		low, high int
		err       error
	}{
		{"0", 0, 0, nil},
		{"1-3", 1, 3, nil},
		{" 1 - 3 ", 1, 3, nil},
		{"7-7", 7, 7, nil},
		{"3-1", 0, 0, ErrOrder},
		{"-1", 0, 0, ErrNumber},
		{"1-", 0, 0, ErrNumber},
		{"1--2", 0, 0, ErrNumber},
		{"", 0, 0, ErrNumber},
		{"+1", 0, 0, ErrNumber},
		{"all", 0, 0, ErrNumber},
		{"0-99999999999999999999", 0, 0, ErrNumber},
	} {
		if low, high, err := Range(tt.text); low != tt.low || high != tt.high || !errors.Is(err, tt.err) {
			t.Errorf("%q: %d, %d, %v", tt.text, low, high, err)
		}
	}
}

// The kernel's form: Documentation/admin-guide/cputopology.rst.
func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		list []int
		want string
	}{
		{nil, ""},
		{[]int{0}, "0"},
		{[]int{0, 1, 2, 3, 8}, "0-3,8"},
		{[]int{2, 4, 5, 6, 31}, "2,4-6,31"},
		{[]int{3, 2, 1}, "3,2,1"},
	} {
		if got := Format(tt.list); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.list, got, tt.want)
		}
	}
}
