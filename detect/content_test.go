package detect

import "testing"

// Bytes that are no text must stay what they are when the case does not count: rules on SMB look for "|ff|SMB" and "|fe|SMB",
// and one of them would not be looked for at all.
func TestPatternKey(t *testing.T) {
	for _, x := range []struct {
		name string
		a, b fastPattern
		same bool
	}{
		{"high bytes", fastPattern{data: []byte("\xffSMB"), nocase: true}, fastPattern{data: []byte("\xfeSMB"), nocase: true}, false},
		{"case", fastPattern{data: []byte("SMB\xff"), nocase: true}, fastPattern{data: []byte("smb\xff"), nocase: true}, true},
		{"case counts", fastPattern{data: []byte("SMB")}, fastPattern{data: []byte("smb")}, false},
		{"one with case", fastPattern{data: []byte("smb"), nocase: true}, fastPattern{data: []byte("smb")}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := patternKey(&x.a) == patternKey(&x.b); got != x.same {
				t.Errorf("%q and %q: same is %v", patternKey(&x.a), patternKey(&x.b), got)
			}
		})
	}
}
