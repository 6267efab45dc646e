package dpdk

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"sentinel/capture"
)

// estimate is about how many bytes the pools of all interfaces take, before their ports have told their limits: a port has 4,096
// descriptors then if the user leaves it the choice.
func estimate(t *capture.Target) int {
	const guess = 4096
	sum := 0
	list := t.Root.Get("dpdk.interfaces")
	_, def := list.Interface(t.Name)
	names := []capture.Target{*t}
	for _, n := range list.Children() {
		if name := n.Get("interface").Str(""); name != "" && name != "default" && name != t.Name {
			names = append(names, capture.Target{Name: name, Own: n, Shared: def, Root: t.Root, Auto: t.Auto, One: t.One})
		}
	}
	for i := range names {
		s, err := Configure(&names[i])
		if err != nil {
			continue
		}
		l := Limits{Driver: "net_unknown", RxQueues: maxThreads, TxQueues: maxThreads, RxMax: guess, TxMax: guess, RSS: rssIP}
		s.RxDesc, s.TxDesc = min(s.RxDesc, guess), min(s.TxDesc, guess)
		// Spread by software, the pools are at their largest.
		if p, err := plan(s, &l, max(t.Auto, 1), true); err == nil {
			sum += p.bytes()
		}
	}
	return sum
}

// hugePages are the huge pages of one size.
type hugePages struct{ size, total, free int }

func readHugePages(root fs.FS) (all []hugePages) {
	const base = "sys/kernel/mm/hugepages"
	entries, _ := fs.ReadDir(root, base)
	for _, e := range entries {
		kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(e.Name(), "hugepages-"), "kB"))
		if err != nil || kb <= 0 {
			continue
		}
		number := func(name string) int {
			b, _ := fs.ReadFile(root, path.Join(base, e.Name(), name))
			n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
			return n
		}
		all = append(all, hugePages{kb << 10, number("nr_hugepages"), number("free_hugepages")})
	}
	return all
}

// hugeMounts are the folders on which huge pages are mounted.
func hugeMounts(root fs.FS) (dirs []string) {
	b, _ := fs.ReadFile(root, "proc/mounts")
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "hugetlbfs" {
			dirs = append(dirs, f[1])
		}
	}
	return dirs
}

// checkMemory says before DPDK starts whether huge pages are there: it would end in an error that says little. need is in bytes. What
// it returns without an error is for the log.
func checkMemory(root fs.FS, e *EAL, need int, left func(dir, prefix string) int) (string, error) {
	if e.NoHuge || e.Second {
		return "", nil
	}
	free, total, all := 0, 0, readHugePages(root)
	for _, h := range all {
		free += h.size * h.free
		total += h.size * h.total
	}
	memory := false
	for _, a := range e.Args {
		memory = memory || a == "--in-memory"
	}
	mounts := hugeMounts(root)
	for _, dir := range mounts {
		free += left(dir, e.Prefix)
	}
	need += 32 << 20 // what DPDK itself takes
	pages := (need + 2<<20 - 1) / (2 << 20)
	reserve := fmt.Sprintf("reserve about %d MiB, as with sysctl vm.nr_hugepages=%d, or set no-huge in eal-params (slower, and not for most cards)", need>>20, pages)
	switch {
	case len(all) == 0:
		return "", fmt.Errorf("this kernel has no huge pages, and DPDK wants them: set no-huge in eal-params (slower, and not for most cards)")
	case free == 0 && total == 0:
		return "", fmt.Errorf("no huge pages are reserved, and DPDK wants them: %s", reserve)
	case free == 0:
		return "", fmt.Errorf("all huge pages (%d MiB) are in use by others: %s; files that ended programs have left on %s can be removed", total>>20, reserve,
			strings.Join(mounts, ", "))
	case len(mounts) == 0 && !memory:
		return "", fmt.Errorf("huge pages are reserved but not mounted: mount -t hugetlbfs none /dev/hugepages, or set in-memory in eal-params")
	case free < need:
		return fmt.Sprintf("%d MiB of huge pages are free, and about %d MiB are wanted: if a pool cannot be made, %s", free>>20, need>>20, reserve), nil
	}
	return fmt.Sprintf("%d of %d MiB of huge pages are free, about %d MiB are wanted", free>>20, total>>20, need>>20), nil
}
