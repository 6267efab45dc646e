package sentinel

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"sentinel/detect"
	"sentinel/rules"
)

// What was counted outlives its rules, but must not keep them: with each reload the text of all rules would stay.
func TestTallyKeepsNoRules(t *testing.T) {
	gone := make(chan bool, 1)
	counts := tally{}
	func() {
		text := new(strings.Builder)
		text.WriteString(strings.Repeat("x", 1<<20))
		file := new(string)
		*file = text.String()
		m := &detect.Meta{GID: 1, SID: 7, Rev: 3, Msg: (*file)[:5], Action: rules.Alert}
		runtime.SetFinalizer(m, func(*detect.Meta) { gone <- true })
		counts.add([]detect.Alert{{Rule: m}, {Rule: m}})
		counts.add([]detect.Alert{{Rule: &detect.Meta{GID: 1, SID: 7, Rev: 4, Msg: "newer", Action: rules.Alert}}})
		counts.add([]detect.Alert{{Rule: &detect.Meta{GID: 1, SID: 7, Rev: 2, Msg: "older", Action: rules.Alert}}})
		counts.add([]detect.Alert{{Rule: &detect.Meta{GID: 1, SID: 8, Action: rules.Pass}}})
	}()
	for end := time.Now().Add(10 * time.Second); len(gone) == 0; time.Sleep(time.Millisecond) {
		if runtime.GC(); time.Now().After(end) {
			t.Fatal("the rule is kept")
		}
	}
	if got := counts.list(); len(got) != 1 || got[0] != (SignatureCount{GID: 1, SID: 7, Rev: 4, Msg: "newer", Count: 4}) {
		t.Errorf("%+v", got)
	}
}
