package detect

import "testing"

// TestUintList holds multi-integers to what the user guide says of them.
func TestUintList(t *testing.T) {
	for _, x := range []struct {
		rule   string
		values []uint64
		more   bool // the list may still grow
		want   bool
	}{
		{">4", []uint64{1, 5}, false, true},
		{"5,any", []uint64{1, 5}, false, true},
		{"5,all", []uint64{5, 5}, false, true},
		{"5,all", []uint64{5, 6}, false, false},
		{"5,all", nil, false, false},
		{"5,all", []uint64{5}, true, false},
		{"5,all_or_absent", nil, false, true},
		{"5,or_absent", nil, false, true},
		{"5,or_absent", nil, true, false},
		{"5,or_absent", []uint64{6}, false, false},
		{"5,0", []uint64{5, 6}, false, true},
		{"5,1", []uint64{5, 6}, false, false},
		{"6,-1", []uint64{5, 6}, false, true},
		{"5,2", []uint64{5, 6}, false, false},
		{"5,oob_or 2", []uint64{5, 6}, false, true},
		{"5,nb>1", []uint64{5, 6, 5}, false, true},
		{"5,nb>1", []uint64{5, 6, 5}, true, true},
		{"5,nb 1", []uint64{5, 6, 5}, false, false},
		{"5,nb 2", []uint64{5, 6, 5}, true, false},
		{"count 3", []uint64{5, 6, 5}, false, true},
		{"count<3", []uint64{5, 6, 5}, false, false},
		{"5,all,1:2", []uint64{6, 5, 6}, false, true},
		{"5,all,-1:0", []uint64{6, 6, 5}, false, true},
		{"5,any,2:9", []uint64{6, 6, 5}, false, false},
	} {
		l, err := ParseUintList(x.rule, 16, nil)
		if err != nil {
			t.Errorf("%s: %v", x.rule, err)
		} else if got := l.Match(x.values, !x.more); got != x.want {
			t.Errorf("%s of %v: %v", x.rule, x.values, got)
		}
	}
	for _, bad := range []string{"1,", "1,2,3,4", "1,any,3", "1,any,3:2", "1,nb", "count", "1,x"} {
		if _, err := ParseUintList(bad, 16, nil); err == nil {
			t.Errorf("%q is no list", bad)
		}
	}
}
