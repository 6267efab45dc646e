package conf

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// Sizes are as src/util-misc.c of the reference reads them.
func TestParseSize(t *testing.T) {
	tests := []struct {
		in   string
		want uint64
		ok   bool
	}{
		{"0", 0, true}, {"10", 10, true}, {"1kb", 1024, true}, {"1 KB", 1024, true}, {"10 KiB", 10240, true},
		{"64mb", 64 << 20, true}, {"64 MiB", 64 << 20, true}, {"1gb", 1 << 30, true}, {"1.5Gb", 3 << 29, true},
		{" 7 ", 7, true}, {"10.5 kb", 10752, true}, {"18446744073709551615", math.MaxUint64, true},
		{"", 0, false}, {"kb", 0, false}, {"1 kib", 0, false}, {"1k", 0, false}, {"1tb", 0, false}, {"-1", 0, false},
		{"1.", 0, false}, {".5", 0, false}, {"1 mb x", 0, false}, {"99999999999 gb", 0, false}, {"0x10", 0, false},
		{"18446744073709551616", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got, ok := ParseSize(tt.in); got != tt.want || ok != tt.ok {
				t.Errorf("got %d, %v, want %d, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// Durations are as rust/src/util.rs of the reference reads them.
func TestParseDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"10", 10 * time.Second, true}, {"0", 0, true}, {"2H", 2 * time.Hour, true}, {"1 day", 24 * time.Hour, true},
		{"1w", 168 * time.Hour, true}, {"1 week", 168 * time.Hour, true}, {"1y", 31557600 * time.Second, true},
		{"1 year", 31557600 * time.Second, true}, {"2h 30min", 150 * time.Minute, true}, {"1h30m", 90 * time.Minute, true},
		{"7d", 168 * time.Hour, true}, {"18446744073709551615", math.MaxInt64, true},
		{"10q", 0, false}, {"abc", 0, false}, {"-300s", 0, false}, {"1h -600s", 0, false}, {"", 0, false}, {"1h 5", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got, ok := ParseDuration(tt.in); got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v, want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// Integers are C's, as strtoimax with base 0 reads them.
func TestParseInt(t *testing.T) {
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"42", 42, true}, {"-7", -7, true}, {"+7", 7, true}, {"0x1F", 31, true}, {"0xab", 171, true},
		{"010", 8, true}, {" 5", 5, true}, {"9223372036854775807", math.MaxInt64, true},
		{"", 0, false}, {"5 ", 0, false}, {"1_000", 0, false}, {"0b1", 0, false}, {"0o7", 0, false}, {"1.0", 0, false},
		{"9223372036854775808", 0, false}, {"0x_1", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got, ok := ParseInt(tt.in); got != tt.want || ok != tt.ok {
				t.Errorf("got %d, %v, want %d, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestAccessors(t *testing.T) {
	tree := mustParse(t, header+"y: YES\nn: off\nodd: maybe\nnum: 12\nbig: 70000\npct: 12.5%\nsize: 1 mb\ndur: 1m\nf: 0.5\nnul: ~\nlist: [a, ~, b]\nsec:\n  k: v\n")
	g := tree.Get
	if !g("y").Bool(false) || g("n").Bool(true) || g("odd").Bool(true) || !g("nul").Bool(true) || !g("none").Bool(true) {
		t.Error("Bool")
	}
	if !g("n").IsFalse() || g("odd").IsFalse() || g("none").IsFalse() || g("none").IsTrue() {
		t.Error("IsTrue or IsFalse")
	}
	if v, err := g("num").Int(1); v != 12 || err != nil {
		t.Error("Int", v, err)
	}
	if v, err := g("none").Int(1); v != 1 || err != nil {
		t.Error("Int of nothing", v, err)
	}
	if v, err := g("pct").Percent(1); v != 12.5 || err != nil {
		t.Error("Percent", v, err)
	}
	if v, err := g("size").Size(1); v != 1<<20 || err != nil {
		t.Error("Size", v, err)
	}
	if v, err := g("dur").Duration(1); v != time.Minute || err != nil {
		t.Error("Duration", v, err)
	}
	if v, err := g("f").Float(1); v != 0.5 || err != nil {
		t.Error("Float", v, err)
	}
	if v := g("list").Strings(); !slices.Equal(v, []string{"a", "b"}) {
		t.Error("Strings", v)
	}
	if v := g("num").Strings(); !slices.Equal(v, []string{"12"}) {
		t.Error("Strings of a scalar", v)
	}
	errs := []struct {
		name string
		err  func() error
		want string
	}{
		{"int", func() error { _, err := g("odd").Int(1); return err }, `test.yaml:5: odd: "maybe" is not an integer`},
		{"range", func() error { _, err := g("big").IntIn(1, 0, 65535); return err }, "70000 is not in 0-65535"},
		{"size", func() error { _, err := g("sec.k").Size(1); return err }, `test.yaml:15: sec.k: "v" is not a size`},
		{"max", func() error { _, err := g("size").SizeMax(1, 65535); return err }, "1048576 is more than 65535"},
		{"percent", func() error { _, err := g("big").Percent(1); return err }, "is not a percentage"},
		{"duration", func() error { _, err := g("odd").Duration(1); return err }, "is not a duration"},
		{"float", func() error { _, err := g("odd").Float(1); return err }, "is not a number"},
		{"switch", func() error { _, err := g("odd").StrictBool(true); return err }, "is not yes or no"},
	}
	for _, tt := range errs {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.err(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	var none *Node
	if none.Get("a.b") != nil || none.Children() != nil || none.Line() != 0 || none.File()+none.Name()+none.Path()+none.Pos() != "" ||
		none.IsList() || none.Exists() || none.Has("x") || none.Strings() != nil || none.Str("d") != "d" {
		t.Error("methods of a nil node")
	}
}
