package sentinel

import (
	"fmt"
	"strings"
	"testing"

	"sentinel/internal/affinity"
	"sentinel/internal/conf"
)

func cpus(list ...int) (s affinity.Set) {
	for _, c := range list {
		s.Add(c)
	}
	return s
}

func TestThreading(t *testing.T) {
	m := affinity.Machine{Sys: t.TempDir(), Online: cpus(0, 1, 2, 3), Allowed: cpus(0, 1, 2, 3)}
	for _, tt := range []struct {
		name, text string
		allowed    affinity.Set
		want       string   // families, and workers of eth0, of eth1 and of a file
		warnings   []string // a part of each
		errors     []string
	}{
		{name: "map", text: `
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    management-cpu-set: {cpu: [0]}
    receive-cpu-set: {cpu: [1], mode: balanced}
    worker-cpu-set:
      cpu: ["1-3"]
      prio: {low: [1], medium: ["2-2"], high: [3], default: low}
      interface-specific-cpu-set:
        - interface: eth0
          cpu: [2, 3]
          prio: {default: high}
`, want: "manage 0 balanced medium, receive 1 balanced medium, work 1-3 low low:1 medium:2 high:3, eth0 2-3 high; 2 3 3"},
		{name: "list, as up to Suricata 7", text: `
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    - management-cpu-set:
        cpu: [ 0 ]
    - receive-cpu-set:
        cpu: [ 0 ]
    - detect-cpu-set:
        cpu: [ "all" ]
        mode: "exclusive"
        threads: 2
        prio:
          default: "medium"
    - verdict-cpu-set:
        cpu: [ 0 ]
    - decode-cpu-set:
        cpu: [ 0 ]
`, want: "manage 0 balanced medium, receive 0 medium, work 0-3 medium threads:2; 2 2 2"},
		{name: "ratio", text: "threading: {set-cpu-affinity: yes, detect-thread-ratio: 0.5}",
			want: "manage 0-3 balanced medium, receive 0-3 medium, work 0-3 medium; 4 4 2"},
		{name: "small ratio", text: "threading: {set-cpu-affinity: yes, detect-thread-ratio: 0.01}",
			want: "manage 0-3 balanced medium, receive 0-3 medium, work 0-3 medium; 4 4 1"},
		{name: "all is what the process may use", text: `
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    worker-cpu-set: {cpu: [all]}
`, allowed: cpus(1, 2), want: "manage 1-2 balanced medium, receive 1-2 medium, work 1-2 medium; 2 2 2"},
		{name: "processors that are not there", text: `
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    worker-cpu-set: {cpu: [2, "6-7"], prio: {high: [9]}, interface-specific-cpu-set: [{interface: eth0, cpu: [1, 5]}]}
`, want: "manage 0-3 balanced medium, receive 0-3 medium, work 2 medium, eth0 1 medium; 1 1 1", warnings: []string{"c:5: threading.cpu-affinity.worker-cpu-set.cpu: there is no processor 6-7"}},
		{name: "a set that is none", text: `
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    boss-cpu-set: {cpu: [0]}
`, want: "manage 0-3 balanced medium, receive 0-3 medium, work 0-3 medium; 4 4 4", warnings: []string{"c:5: threading.cpu-affinity has no set boss-cpu-set"}},
		{name: "wrong values", text: `
threading:
  set-cpu-affinity: yes
  autopin: perhaps
  detect-thread-ratio: -1
  cpu-affinity:
    worker-cpu-set:
      cpu: [one]
      mode: shared
      threads: 0
      prio: {default: urgent}
      interface-specific-cpu-set: [{cpu: [1]}]
`, errors: []string{"c:4: threading.autopin", "c:5: threading.detect-thread-ratio", `"one" is not a processor`, "c:9: threading.cpu-affinity.worker-cpu-set.mode",
			"c:10: threading.cpu-affinity.worker-cpu-set.threads", "c:11: threading.cpu-affinity.worker-cpu-set.prio.default", "c:12: "}},
		{name: "off, nothing is looked at", text: `
threading:
  set-cpu-affinity: no
  cpu-affinity:
    worker-cpu-set: {cpu: [one]}
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree, _, err := conf.Parse([]byte(tt.text), "c")
			if err != nil {
				t.Fatal(err)
			}
			m := m
			if tt.allowed.Len() > 0 {
				m.Allowed = tt.allowed
			}
			var warnings []string
			th, errs := readThreading(tree.Root(), m, func(f string, a ...any) { warnings = append(warnings, fmt.Sprintf(f, a...)) })
			same := func(what string, got, want []string) {
				if len(got) != len(want) {
					t.Errorf("%s: %q, want %q", what, got, want)
					return
				}
				for i := range got {
					if !strings.Contains(got[i], want[i]) {
						t.Errorf("%s: %q, want %q", what, got[i], want[i])
					}
				}
			}
			var said []string
			for _, err := range errs {
				said = append(said, err.Error())
			}
			same("warnings", warnings, tt.warnings)
			same("errors", said, tt.errors)
			if tt.want == "" {
				return
			}
			got := fmt.Sprintf("manage %s, receive %s, work %s; %d %d %d", family(&th.manage), family(&th.receive), family(&th.work),
				th.threads("eth0"), th.threads("eth1"), th.sharing())
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func family(f *affinity.Family) string {
	s := f.CPUs.String()
	if f.Balanced {
		s += " balanced"
	}
	s += " " + f.Default.String()
	for _, p := range []struct {
		name string
		set  affinity.Set
	}{{"low", f.Low}, {"medium", f.Medium}, {"high", f.High}} {
		if p.set.Len() > 0 {
			s += " " + p.name + ":" + p.set.String()
		}
	}
	if f.Threads > 0 {
		s += fmt.Sprint(" threads:", f.Threads)
	}
	for name, o := range f.Of {
		s += ", " + name + " " + family(o)
	}
	return s
}
