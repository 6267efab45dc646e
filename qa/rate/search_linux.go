package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// searching is a search for the highest rate without loss.
type searching struct {
	commonFlags
	backend, pcap string
	from, step    float64
	tries         int
	cores         [2]int // of the sender, of the engine
	dir           string
	send          *sender
	wire          netlink.Link // where frames are sent
}

// found is what one search has found.
type found struct {
	pps    float64
	cpu    time.Duration // of the engine, a packet, at that rate
	capped bool          // the sender cannot send faster
}

func search(args []string) error {
	s := &searching{}
	f := flag.NewFlagSet("search", flag.ContinueOnError)
	s.define(f)
	f.StringVar(&s.backend, "backend", "af-packet", "how Sentinel captures: af-packet or af-xdp; Suricata always takes af-packet")
	f.StringVar(&s.pcap, "pcap", "qa/pcaps/demo.pcap", "Ethernet frames to send, again and again, as new flows each time")
	f.IntVar(&s.repeats, "repeats", 5, "searches of each engine, in turn")
	f.Float64Var(&s.seconds, "seconds", 5, "how long each rate is sent")
	f.Float64Var(&s.from, "from", 20000, "first rate, in packets a second")
	f.Float64Var(&s.step, "precision", 0.03, "part of a rate that it is found to")
	f.IntVar(&s.tries, "tries", 2, "a rate has loss when so many tries have")
	if err := f.Parse(args); err != nil {
		return err
	}
	if s.backend != "af-packet" && s.backend != "af-xdp" {
		return fmt.Errorf("-backend %s: there are af-packet and af-xdp", s.backend)
	}
	if s.cores = [2]int{0, 1}; runtime.NumCPU() < 2 {
		return fmt.Errorf("needs two cores, one for the sender and one for the engine")
	}
	traffic, long, err := loadTraffic(s.pcap, 1514)
	if err != nil {
		return err
	}
	dir, done, err := s.prepare()
	defer done()
	if err != nil {
		return err
	}
	s.dir = dir
	if err := veth("in0", "out0"); err != nil {
		return err
	}
	if s.wire, err = netlink.LinkByName("out0"); err != nil {
		return err
	}
	if s.send, err = newSender(s.wire.Attrs().Index, traffic); err != nil {
		return err
	}
	defer s.send.close()
	size := 0
	for i := range traffic {
		size += len(traffic[i].data)
	}
	fmt.Printf("%s: %d frames of %d bytes on average (%d longer than 1514 left out), sent from core %d; one worker on core %d; %v s a rate; rules: %s\n\n",
		filepath.Base(s.pcap), len(traffic), size/len(traffic), long, s.cores[0], s.cores[1], s.seconds, filepath.Base(s.rules))

	names := []string{"Sentinel " + s.backend}
	if s.peer != "" {
		names = append(names, "Suricata af-packet")
	}
	results := make([][]found, len(names))
	for r := range s.repeats {
		for i, name := range names {
			got, err := s.one(i > 0, name)
			if err != nil {
				return fmt.Errorf("repeat %d: %w", r+1, err)
			}
			fmt.Fprintf(os.Stderr, "repeat %d: %s: %.0f packets a second, %d ns of CPU each\n", r+1, name, got.pps, got.cpu.Nanoseconds())
			results[i] = append(results[i], got)
		}
	}
	fmt.Printf("Packets a second without loss (kernel_drops is 0, decoder.pkts is what the interface sent):\n\n")
	fmt.Println("| Engine | Median | Min | Max | CPU ns a packet, median | All |\n|---|---|---|---|---|---|")
	var medians []float64
	for i, name := range names {
		pps := make([]float64, len(results[i]))
		cpu := make([]time.Duration, len(results[i]))
		var all []string
		for j, r := range results[i] {
			pps[j], cpu[j] = r.pps, r.cpu
			mark := ""
			if r.capped {
				mark = " (all that the sender can)"
			}
			all = append(all, fmt.Sprintf("%.0f%s", r.pps, mark))
		}
		slices.Sort(pps)
		slices.Sort(cpu)
		medians = append(medians, pps[len(pps)/2])
		fmt.Printf("| %s | %.0f | %.0f | %.0f | %d | %s |\n", name, pps[len(pps)/2], pps[0], pps[len(pps)-1], cpu[len(cpu)/2].Nanoseconds(), strings.Join(all, ", "))
	}
	if len(medians) == 2 && medians[1] > 0 {
		fmt.Printf("\nSentinel/Suricata: %.2f\n", medians[0]/medians[1])
	}
	return nil
}

// one searches the highest rate of one engine.
func (s *searching) one(peer bool, name string) (found, error) {
	backend, program, dir := s.backend, s.engine, filepath.Join(s.dir, "ours")
	if peer {
		backend, program, dir = "af-packet", s.peer, filepath.Join(s.dir, "peer")
	}
	config := fmt.Sprintf(`
%s:
  - interface: in0
    threads: 1
    cluster-id: 77
    cluster-type: cluster_flow
    defrag: no
    tpacket-v3: yes
    use-mmap: yes
    ring-size: 10000
`, backend)
	if backend == "af-xdp" {
		config = "\naf-xdp:\n  - interface: in0\n    threads: 1\n"
	}
	args := []string{"-S", s.rules, "--" + backend}
	if !peer {
		args = append(args, "--data-dir", filepath.Join(s.dir, "data"))
	}
	e, err := runEngine(name, program, dir, config, args...)
	if err != nil {
		return found{}, err
	}
	got, err := s.search(e)
	if serr := e.stop(); err == nil {
		err = serr
	}
	return got, err
}

func (s *searching) search(e *engine) (best found, err error) {
	if err := affinity(e.cmd.Process.Pid, s.cores[1]); err != nil {
		return best, err
	}
	// It answers before it captures, perhaps.
	for try := 0; ; try++ {
		got, ok, err := s.try(e, 2000, time.Second)
		if err != nil {
			return best, err
		}
		if ok {
			best = got
			break
		}
		if try == 20 {
			return best, fmt.Errorf("%s loses packets at 2000 a second\n%s", e.name, e.said())
		}
	}
	if err := affinity(e.cmd.Process.Pid, s.cores[1]); err != nil { // threads that are new
		return best, err
	}
	low, high, capped := best.pps, 0.0, 0
	for rate := s.from; high == 0 || high/low > 1+s.step; {
		ok := false
		var got found
		for range max(s.tries, 1) {
			now, held, err := s.try(e, rate, time.Duration(s.seconds*1e9))
			if err != nil {
				return best, err
			}
			if held && (!ok || now.pps > got.pps) || !held && !ok {
				got, ok = now, held
			}
			if ok && !got.capped {
				break
			}
		}
		switch {
		case ok:
			// Three times in a row: it is not that something else had the sender's core.
			if low = rate; got.capped {
				capped++
				low = max(best.pps, got.pps)
			} else {
				capped = 0
			}
			if got.pps > best.pps {
				best = got
			}
			if capped == 3 {
				return best, nil
			}
		default:
			if high = rate; got.capped {
				high = got.pps
			}
		}
		if rate = (low + high) / 2; high == 0 {
			rate = low * 1.6
		}
	}
	return best, nil
}

// try sends at a rate. It is ok when everything sent was decoded, and nothing was dropped.
func (s *searching) try(e *engine, pps float64, d time.Duration) (got found, ok bool, err error) {
	before, err := e.totals()
	if err != nil {
		return got, false, err
	}
	first, err := sentOn(s.wire)
	if err != nil {
		return got, false, err
	}
	_, took, err := s.send.send(pps, d, s.cores[0])
	if err != nil {
		return got, false, err
	}
	last, err := sentOn(s.wire)
	if err != nil {
		return got, false, err
	}
	sent := last - first
	got.pps = float64(sent) / took.Seconds()
	got.capped = got.pps < 0.95*pps
	// Counters come once a second, and a ring is not empty at once.
	var now totals
	for still, was := time.Now(), uint64(0); time.Since(still) < 4*time.Second; time.Sleep(100 * time.Millisecond) {
		if now, err = e.totals(); err != nil {
			return got, false, err
		}
		seen := now.decoded - before.decoded
		if seen+now.dropped-before.dropped >= sent {
			break
		}
		if seen != was {
			was, still = seen, time.Now()
		}
	}
	seen, dropped := now.decoded-before.decoded, now.dropped-before.dropped
	if seen > 0 {
		got.cpu = (now.cpu - before.cpu) / time.Duration(seen)
	}
	fmt.Fprintf(os.Stderr, "%s: asked for %.0f a second, sent %.0f (%d), seen %d, dropped %d\n", e.name, pps, got.pps, sent, seen, dropped)
	return got, seen == sent && dropped == 0, nil
}

// sentOn is how many packets an interface has sent.
func sentOn(l netlink.Link) (uint64, error) {
	l, err := netlink.LinkByIndex(l.Attrs().Index)
	if err != nil {
		return 0, err
	}
	return l.Attrs().Statistics.TxPackets, nil
}
