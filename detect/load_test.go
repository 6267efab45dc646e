package detect_test

import (
	"os"
	"sort"
	"testing"
	"time"

	"sentinel/detect"
	"sentinel/rules"
)

// etOpen is the rule set that loads are measured with. It is not part of the project.
const etOpen = "../../shared/rules/et-open.rules"

func loadET(t testing.TB, cfg detect.Config) *detect.Ruleset {
	if _, err := os.Stat(etOpen); err != nil {
		t.Skip("the rule set is not there: " + etOpen)
	}
	rs, perrs := rules.ParseFile(etOpen)
	if len(perrs) > 0 {
		t.Fatalf("%d rules do not parse: %v", len(perrs), perrs[0])
	}
	set, errs := detect.Compile(cfg, rs)
	if testing.Verbose() {
		shown := map[string]int{}
		for _, e := range errs {
			k := ""
			if x, ok := e.(*rules.Error); ok {
				k = x.Keyword
			}
			if shown[k]++; shown[k] <= 2 {
				t.Log(e)
			}
		}
	}
	return set
}

func TestLoadETOpen(t *testing.T) {
	begin := time.Now()
	cfg := config()
	cfg.Engine = nil
	set := loadET(t, cfg)
	t.Logf("%d of %d rules loaded, %d failed, %d skipped, %d header predicates, %v", set.Rules(), set.Total, set.FailedRules, set.Skipped, set.Heads(), time.Since(begin))
	type kv struct {
		k string
		n int
	}
	var l []kv
	for k, n := range set.Failed {
		l = append(l, kv{k, n})
	}
	sort.Slice(l, func(i, j int) bool { return l[i].n > l[j].n })
	for _, x := range l {
		t.Logf("%5d %s", x.n, x.k)
	}
	if set.FailedRules*20 > set.Total {
		t.Errorf("more than 5 %% of the rules failed")
	}
}
