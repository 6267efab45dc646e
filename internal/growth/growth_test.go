package growth

import (
	"fmt"
	"testing"
)

// recorder takes the errors of a check.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

var sink int

// A check that cannot fail is worth nothing: it must tell quadratic work from linear work.
func TestLinear(t *testing.T) {
	for _, tt := range []struct {
		name string
		work func(n int)
		bad  bool
	}{
		{"linear", func(n int) {
			for i := range 100 * n {
				sink += i
			}
		}, false},
		{"quadratic", func(n int) {
			for i := range n {
				for range i {
					sink += i
				}
			}
		}, true},
		{"nothing", func(int) {}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{TB: t}
			Linear(r, 16, 1<<18, func(n int) func() { return func() { tt.work(n) } })
			if bad := len(r.errors) > 0; bad != tt.bad {
				t.Errorf("found superlinear: %v, want %v: %q", bad, tt.bad, r.errors)
			}
		})
	}
}
