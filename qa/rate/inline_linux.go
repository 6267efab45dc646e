package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// between is a way for two hosts to reach each other.
type between struct {
	name   string // for -ways
	title  string
	option string // of the command line: --af-packet
	config string
	peer   bool
}

const wireConfig = `
%[1]s:
  - interface: in0
    copy-iface: in1
    cluster-id: 98
  - interface: in1
    copy-iface: in0
    cluster-id: 97
  - interface: default
    copy-mode: ips
    threads: 1
%[2]s`

const packetConfig = `    cluster-type: cluster_flow
    defrag: no
    use-mmap: yes
    ring-size: 10000
    tpacket-v3: `

const dpdkConfig = `
dpdk:
  eal-params:
    no-huge:
    no-pci:
    vdev: ["net_af_packet0,iface=in0", "net_af_packet1,iface=in1"]
  interfaces:
    - interface: net_af_packet0
      copy-iface: net_af_packet1
    - interface: net_af_packet1
      copy-iface: net_af_packet0
    - interface: default
      copy-mode: ips
      threads: 1
      mempool-size: 32767
      rx-descriptors: 1024
      tx-descriptors: 1024
`

// ways are all, in the order of the tables. The first is what the others are compared with.
var ways = []between{
	{name: "direct", title: "no engine, one veth pair"},
	{name: "sentinel-v2", title: "Sentinel AF_PACKET, TPACKET_V2", option: "--af-packet", config: fmt.Sprintf(wireConfig, "af-packet", packetConfig+"no\n")},
	{name: "sentinel-v3", title: "Sentinel AF_PACKET, TPACKET_V3", option: "--af-packet", config: fmt.Sprintf(wireConfig, "af-packet", packetConfig+"yes\n")},
	{name: "sentinel-xdp", title: "Sentinel AF_XDP, copy", option: "--af-xdp", config: strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf(wireConfig, "af-xdp", ""), "    cluster-id: 98\n", ""), "    cluster-id: 97\n", "")},
	{name: "sentinel-dpdk", title: "Sentinel DPDK, net_af_packet", option: "--dpdk", config: dpdkConfig},
	{name: "suricata", title: "Suricata AF_PACKET, TPACKET_V2", option: "--af-packet", config: fmt.Sprintf(wireConfig, "af-packet", packetConfig+"no\n"), peer: true},
}

// crossing measures ways between two hosts.
type crossing struct {
	commonFlags
	probes int
	load   string
	dir    string
}

// crossed is what was measured once.
type crossed struct {
	mbits       float64
	retransmits int
	idle, busy  latency
}

func inline(args []string) error {
	c := &crossing{}
	f := flag.NewFlagSet("inline", flag.ContinueOnError)
	c.define(f)
	var names []string
	for _, w := range ways {
		names = append(names, w.name)
	}
	list := f.String("ways", strings.Join(names, ","), "what to measure; sentinel-dpdk needs -tags dpdk")
	f.IntVar(&c.repeats, "repeats", 3, "measurements of each, in turn")
	f.Float64Var(&c.seconds, "seconds", 10, "how long iperf3 sends")
	f.IntVar(&c.probes, "probes", 5000, "datagrams of the probe, one a millisecond, idle and again under load")
	f.StringVar(&c.load, "load", "100M", "bits a second of UDP, 1200 bytes a packet, while the probe is under load")
	if err := f.Parse(args); err != nil {
		return err
	}
	var chosen []between
	for _, name := range strings.Split(*list, ",") {
		i := slices.IndexFunc(ways, func(w between) bool { return w.name == name })
		if i < 0 {
			return fmt.Errorf("-ways: there is no %q but %s", name, strings.Join(names, ", "))
		}
		if (!ways[i].peer || c.peer != "") && (name != "sentinel-dpdk" || slices.Contains(strings.Split(c.tags, ","), "dpdk") || c.engine != "") {
			chosen = append(chosen, ways[i])
		} else {
			fmt.Fprintf(os.Stderr, "%s is left out\n", name)
		}
	}
	for _, tool := range []string{"iperf3", "ip", "ethtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	dir, done, err := c.prepare()
	defer done()
	if err != nil {
		return err
	}
	c.dir = dir
	results := make([][]crossed, len(chosen))
	failed := make([]error, len(chosen))
	for r := range c.repeats {
		for i, w := range chosen {
			if failed[i] != nil {
				continue
			}
			got, err := c.one(&w)
			if err != nil {
				failed[i] = err
				fmt.Fprintf(os.Stderr, "%s: %v\n", w.name, err)
				continue
			}
			fmt.Fprintf(os.Stderr, "repeat %d: %s: %.0f Mbit/s, idle %+v, under load %+v\n", r+1, w.name, got.mbits, got.idle, got.busy)
			results[i] = append(results[i], got)
		}
	}
	c.print(chosen, results, failed)
	return errors.Join(failed...)
}

func (c *crossing) print(chosen []between, results [][]crossed, failed []error) {
	fmt.Printf("iperf3: TCP, one connection, %v s, %d times; probe: %d datagrams of 64 bytes, one a millisecond, round trip; load: %sbit/s of UDP; %d cores; rules: %s\n\n",
		c.seconds, c.repeats, c.probes, c.load, runtime.NumCPU(), filepath.Base(c.rules))
	fmt.Println("| Between the hosts | TCP Mbit/s: median (min–max) | Retransmits | Idle: median, p99 µs | Added | Under load: median, p99 µs | Added | Lost |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	var base [4]float64
	for i, w := range chosen {
		rs := results[i]
		if len(rs) == 0 {
			fmt.Printf("| %s | failed: %.100s | | | | | | |\n", w.title, strings.ReplaceAll(failed[i].Error(), "\n", " "))
			continue
		}
		mid := func(get func(*crossed) float64) float64 {
			var l []float64
			for j := range rs {
				l = append(l, get(&rs[j]))
			}
			slices.Sort(l)
			return l[len(l)/2]
		}
		us := func(d time.Duration) float64 { return float64(d) / 1e3 }
		v := [4]float64{
			mid(func(r *crossed) float64 { return us(r.idle.Median) }), mid(func(r *crossed) float64 { return us(r.idle.P99) }),
			mid(func(r *crossed) float64 { return us(r.busy.Median) }), mid(func(r *crossed) float64 { return us(r.busy.P99) }),
		}
		added := []string{"", ""}
		if w.name == "direct" {
			base = v
		} else if base[0] > 0 {
			for k := range added {
				added[k] = fmt.Sprintf("%+.0f, %+.0f", v[2*k]-base[2*k], v[2*k+1]-base[2*k+1])
			}
		}
		low, high, lost, retransmits := rs[0].mbits, rs[0].mbits, 0, 0
		for _, r := range rs {
			low, high = min(low, r.mbits), max(high, r.mbits)
			lost += r.idle.Lost + r.busy.Lost
			retransmits += r.retransmits
		}
		fmt.Printf("| %s | %.0f (%.0f–%.0f) | %d | %.0f, %.0f | %s | %.0f, %.0f | %s | %d of %d |\n", w.title,
			mid(func(r *crossed) float64 { return r.mbits }), low, high, retransmits, v[0], v[1], added[0], v[2], v[3], added[1], lost, 2*c.probes*len(rs))
	}
}

// one measures a way once.
func (c *crossing) one(w *between) (got crossed, err error) {
	// A pair of interfaces is gone when one of them is. With a host it goes some time after that.
	var left, right *host
	defer func() {
		for _, name := range []string{"in0", "in1"} {
			if l, lerr := netlink.LinkByName(name); lerr == nil {
				err = errors.Join(err, netlink.LinkDel(l))
			}
		}
		for _, h := range []*host{left, right} {
			if h != nil {
				h.close()
			}
		}
	}()
	if w.option == "" {
		if err := veth("left", "right"); err != nil {
			return got, err
		}
	} else if err := errors.Join(veth("in0", "left"), veth("in1", "right")); err != nil {
		return got, err
	}
	if left, err = newHost("left", "10.7.0.1/24"); err != nil {
		return got, err
	}
	if right, err = newHost("right", "10.7.0.2/24"); err != nil {
		return got, err
	}
	if w.option != "" {
		program, dir := c.engine, filepath.Join(c.dir, w.name)
		args := []string{"-S", c.rules, w.option}
		if w.peer {
			program = c.peer
		} else {
			args = append(args, "--data-dir", filepath.Join(c.dir, "data"))
		}
		e, err := runEngine(w.title, program, dir, w.config, args...)
		if err != nil {
			return got, err
		}
		defer func() {
			if serr := e.stop(); err == nil {
				err = serr
			} else {
				err = fmt.Errorf("%w\n%s", err, e.said())
			}
		}()
		return c.measure(left, right)
	}
	return c.measure(left, right)
}

func (c *crossing) measure(left, right *host) (got crossed, err error) {
	for _, cmd := range []*exec.Cmd{right.own("echo", "10.7.0.2:7"), right.command("iperf3", "-s", "-B", "10.7.0.2")} {
		if err := cmd.Start(); err != nil {
			return got, err
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
	}
	if out, err := left.own("probe", "-to", "10.7.0.2:7", "-wait", "60s").CombinedOutput(); err != nil {
		return got, fmt.Errorf("%w: %s", err, out)
	}
	if got.idle, err = c.probe(left); err != nil {
		return got, err
	}
	load := left.command("iperf3", "-c", "10.7.0.2", "-u", "-l", "1200", "-b", c.load, "-t", strconv.Itoa(c.probes/1000+3))
	if err := load.Start(); err != nil {
		return got, err
	}
	time.Sleep(time.Second)
	got.busy, err = c.probe(left)
	if werr := load.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("iperf3 -u: %w", werr)
	}
	if err != nil {
		return got, err
	}
	time.Sleep(300 * time.Millisecond)
	out, err := left.command("iperf3", "-c", "10.7.0.2", "-J", "-t", strconv.FormatFloat(c.seconds, 'f', 0, 64)).Output()
	if err != nil {
		return got, fmt.Errorf("iperf3: %w: %.300s", err, out)
	}
	var m struct {
		End struct {
			Sent struct {
				Retransmits int `json:"retransmits"`
			} `json:"sum_sent"`
			Received struct {
				Bits float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return got, err
	}
	got.mbits, got.retransmits = m.End.Received.Bits/1e6, m.End.Sent.Retransmits
	return got, nil
}

func (c *crossing) probe(h *host) (l latency, err error) {
	cmd := h.own("probe", "-to", "10.7.0.2:7", "-n", strconv.Itoa(c.probes))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return l, fmt.Errorf("probe: %w: %s", err, &stderr)
	}
	return l, json.Unmarshal(out, &l)
}
