package nfqueue

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sentinel/capture"
	"sentinel/internal/conf"
)

type log struct{ lines []string }

func (l *log) Infof(f string, a ...any) { l.lines = append(l.lines, fmt.Sprintf(f, a...)) }
func (l *log) Warnf(f string, a ...any) { l.lines = append(l.lines, "warning: "+fmt.Sprintf(f, a...)) }

func TestConfigure(t *testing.T) {
	for _, c := range []struct {
		name, queue, yaml string
		want              Options // of the first queue
		queues            int
		said              string
		err               []string
	}{
		{name: "nothing", queue: "3", want: Options{Queue: 3}, queues: 1, said: "NFQ running in standard ACCEPT/DROP mode"},
		{name: "range", queue: "2:5", want: Options{Queue: 2}, queues: 4},
		{name: "empty section", queue: "0", yaml: "nfq:\n", want: Options{}, queues: 1},
		{name: "repeat", queue: "0", yaml: "nfq:\n  mode: repeat\n  repeat-mark: 0x11\n  repeat-mask: 0xff\n  fail-open: yes\n",
			want: Options{Mode: ModeRepeat, RepeatMark: 17, RepeatMask: 255, FailOpen: true}, queues: 1, said: "NFQ running in REPEAT mode with mark 17/255"},
		{name: "route", queue: "0", yaml: "nfq:\n  mode: route\n  route-queue: 2\n  bypass-mark: 1\n  bypass-mask: 3\n  batchcount: 20\n",
			want: Options{Mode: ModeRoute, RouteQueue: 2, BypassMark: 1, BypassMask: 3, Batch: 20}, queues: 1, said: "NFQ running in route mode with next queue 2"},
		{name: "large batch", queue: "0", yaml: "nfq:\n  batchcount: 1000\n", want: Options{Batch: 255}, queues: 1, said: "warning: c.yaml:2: nfq.batchcount cannot exceed 255"},
		{name: "pending", queue: "0", yaml: "max-pending-packets: 60000\n", want: Options{Length: 240000}, queues: 1},
		{name: "mode", queue: "0", yaml: "nfq:\n  mode: acept\n", err: []string{"c.yaml:2: unknown nfq.mode"}},
		{name: "all errors", queue: "x", yaml: "nfq:\n  repeat-mark: -1\n  bypass-mask: y\n", err: []string{"-q x", "c.yaml:2", "c.yaml:3"}},
		{name: "repeat without a mask", queue: "0", yaml: "nfq:\n  mode: repeat\n  repeat-mark: 1\n", err: []string{"c.yaml:2: nfq.mode repeat needs"}},
		{name: "route to nowhere", queue: "0", yaml: "nfq:\n  mode: route\n", err: []string{"needs nfq.route-queue"}},
		{name: "route to itself", queue: "0:3", yaml: "nfq:\n  mode: route\n  route-queue: 2\n", err: []string{"c.yaml:3: packets from queue 2 would go to queue 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, _, err := conf.Parse([]byte("%YAML 1.1\n---\n"+c.yaml), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			l := &log{}
			got, err := Configure(&capture.Target{Name: c.queue, Root: tree.Root(), Log: l})
			for _, part := range c.err {
				part = strings.ReplaceAll(strings.ReplaceAll(part, "c.yaml:2", "c.yaml:4"), "c.yaml:3", "c.yaml:5")
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q", err, part)
				}
			}
			if len(c.err) > 0 {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != c.queues || got[0] != c.want {
				t.Errorf("got %+v, want %d like %+v", got, c.queues, c.want)
			}
			for i := range got {
				if got[i].Queue != got[0].Queue+uint16(i) {
					t.Errorf("queue %d is %d", i, got[i].Queue)
				}
			}
			if said := strings.ReplaceAll(c.said, "c.yaml:2", "c.yaml:4"); said != "" && !slices.Contains(l.lines, said) {
				t.Errorf("said %q, want %q", l.lines, said)
			}
		})
	}
}

func TestParseQueues(t *testing.T) {
	for s, want := range map[string][2]int{"0": {0, 0}, "65535": {65535, 65535}, "0:3": {0, 3}, "64512:65535": {64512, 65535},
		"": {-1}, "65536": {-1}, "-1": {-1}, "3:0": {-1}, "1:": {-1}, ":1": {-1}, "1:2:3": {-1}, "0:65535": {-1}, "0x1": {-1}} {
		a, b, err := ParseQueues(s)
		if want[0] < 0 != (err != nil) || err == nil && (int(a) != want[0] || int(b) != want[1]) {
			t.Errorf("%q: %d %d %v", s, a, b, err)
		}
	}
}
