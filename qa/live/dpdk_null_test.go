//go:build linux && dpdk

package live_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// How long the soak on net_null is, for a run by hand:
//
//	go test ./qa/live -tags dpdk -run TestDPDKNull -v -timeout 0 -soak-null 30m
var nullTime = flag.Duration("soak-null", 3*time.Second, "how long TestDPDKNull is")

// nullReloads is how often the rules are read again meanwhile.
const nullReloads = 4

// A port that always has packets, polled at full speed: each packet that it has given is decoded, whatever rules are loaded meanwhile;
// memory stays flat, Go's and C's; and at the end all buffers are there again.
func TestDPDKNull(t *testing.T) {
	dir := t.TempDir()
	config, rules := filepath.Join(dir, "null.yaml"), filepath.Join(dir, "null.rules")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, `%YAML 1.1
---
stats: {enabled: yes, interval: 1}
outputs:
  - eve-log: {enabled: yes, filename: stats.json, types: [alert, stats]}
logging: {outputs: [{console: {enabled: yes}}]}
unix-command: {enabled: no}
`+portParams+`    vdev: net_null0
  interfaces:
    - interface: net_null0
      threads: 1
`)
	ruleset := func(n int) {
		write(rules, fmt.Sprintf("alert tcp any any -> any any (msg:\"never\"; content:\"never%d\"; sid:1;)\n", n))
	}
	ruleset(0)
	t.Setenv("GODEBUG", "gctrace=1") // Go tells how much is alive after each collection
	p := launch(t, nil, "-c", config, "-S", rules, "-l", dir, "-v", "--dpdk")
	begun, started := time.Now(), processorTime(t, p.cmd.Process.Pid)
	reloaded := func() int { return strings.Count(p.text(), "rule reload complete") }
	var rss []int
	asked := 0
	step := max(*nullTime/(nullReloads+1), 200*time.Millisecond)
	sample := min(max(*nullTime/40, 50*time.Millisecond), time.Second)
	next := begun.Add(step)
	limit := begun.Add(*nullTime + time.Minute)
	for time.Since(begun) < *nullTime || reloaded() < nullReloads {
		now := time.Now()
		// One reload after the other: a signal in the middle of one is none.
		if now.After(next) && asked < nullReloads && asked == reloaded() {
			next = next.Add(step)
			asked++
			ruleset(asked)
			p.signal(syscall.SIGUSR2)
		}
		if now.After(limit) {
			t.Fatalf("%d of %d reloads\n%s", reloaded(), nullReloads, p.text())
		}
		rss = append(rss, memory(t, p.cmd.Process.Pid))
		time.Sleep(sample)
	}
	took := time.Since(begun)
	p.signal(syscall.SIGTERM)
	p.ended(t)

	st := lastStats(t, filepath.Join(dir, "stats.json"))
	a := accountOf(t, p, "net_null0")
	given := a.counts["rx_good_packets"]
	heap := liveHeap(p.text())
	cpu := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime() - started
	t.Logf("%.2f million packets a second, %.2f a second of CPU: %d in %v; %d reloads; memory %d to %d KiB (most %d), Go's heap %v MB; %d of %d buffers are back",
		float64(given)/took.Seconds()/1e6, float64(given)/cpu.Seconds()/1e6, given, took.Round(time.Millisecond), asked, rss[0], rss[len(rss)-1],
		slices.Max(rss), ends(heap), a.spare, a.all)
	if given == 0 || st["decoder.pkts"] != given || st["capture.packets"] != given || st["capture.kernel_packets"] != given {
		t.Errorf("the port has given %d packets; %d captured (%d), %d decoded", given, st["capture.packets"], st["capture.kernel_packets"], st["decoder.pkts"])
	}
	if st["decoder.bytes"] != 64*given {
		t.Errorf("%d bytes in %d packets of 64", st["decoder.bytes"], given)
	}
	for _, name := range []string{"capture.kernel_drops", "capture.rx_errors", "capture.tx_errors", "capture.dpdk.no_mbufs", "capture.dpdk.inbox_full",
		"detect.alert", "sentinel.caught_panics"} {
		if v, ok := st[name]; !ok || v != 0 {
			t.Errorf("%s: %d (there: %v)", name, v, ok)
		}
	}
	if a.all == 0 || a.spare != a.all {
		t.Errorf("%d of %d buffers came back", a.spare, a.all)
	}
	if grown := growth(rss); grown > 0.1 {
		t.Errorf("memory grows by %.0f%% in the second half: %d KiB", grown*100, rss)
	}
	// What is alive after the collections of the last reloads. Go tells it in MB.
	if n := len(heap); n < nullReloads {
		t.Errorf("%d collections were told of", n)
	} else if first, last := slices.Min(heap[n/2:]), heap[n-1]; last > first+first/4+4 {
		t.Errorf("Go's heap grows from %d MB to %d: %v", first, last, heap)
	}
	if t.Failed() {
		t.Log(p.text())
	}
}

// processorTime is what a process has had of the processors.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may have spaces
	f := strings.Fields(rest)
	if len(f) < 13 {
		t.Fatalf("stat: %s", b)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on all machines of today
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * tick
}

var collection = regexp.MustCompile(`gc \d+ @.* \d+->\d+->(\d+) MB,`)

// liveHeap is what was alive after each of Go's collections, in MB.
func liveHeap(text string) (mb []int) {
	for _, m := range collection.FindAllStringSubmatch(text, -1) {
		v, _ := strconv.Atoi(m[1])
		mb = append(mb, v)
	}
	return mb
}

// ends are the first and the last of a list.
func ends(list []int) []int {
	if len(list) < 2 {
		return list
	}
	return []int{list[0], list[len(list)-1]}
}
