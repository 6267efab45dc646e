package detect_test

import (
	"testing"

	"sentinel/detect"
)

// The syntax is that of the user guide's chapter on integer keywords: ranges exclude both ends.
func TestParseUint(t *testing.T) {
	names := map[string]uint64{"txt": 16}
	for _, c := range []struct {
		text    string
		yes, no []uint64
	}{
		{"5", []uint64{5}, []uint64{4, 6}},
		{"!5", []uint64{4, 6}, []uint64{5}},
		{">5", []uint64{6}, []uint64{5}},
		{">=5", []uint64{5}, []uint64{4}},
		{"<5", []uint64{4}, []uint64{5}},
		{"<=5", []uint64{5}, []uint64{6}},
		{"3-7", []uint64{4, 6}, []uint64{3, 7}},
		{"3<>7", []uint64{4, 6}, []uint64{3, 7}},
		{"!3-7", []uint64{3, 7}, []uint64{4, 6}},
		{"0x10", []uint64{16}, []uint64{10}},
		{"1kb", []uint64{1024}, []uint64{1}},
		{"&0x0f=3", []uint64{0x13}, []uint64{0x12}},
		{"txt", []uint64{16}, []uint64{15}},
		{"!TXT", []uint64{15}, []uint64{16}},
	} {
		t.Run(c.text, func(t *testing.T) {
			u, err := detect.ParseUint(c.text, 16, names)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range c.yes {
				if !u.Match(x) {
					t.Errorf("%d does not match", x)
				}
			}
			for _, x := range c.no {
				if u.Match(x) {
					t.Errorf("%d matches", x)
				}
			}
		})
	}
	for _, bad := range []string{"", "x", "70000", "<0", ">65535", ">=0", "<=65535", "7-3", "3-4", "5-5", "-1", "1 2"} {
		if _, err := detect.ParseUint(bad, 16, names); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
