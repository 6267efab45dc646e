//go:build linux

package afpacket_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/internal/conf"
)

type logged struct{ text strings.Builder }

func (l *logged) Infof(f string, a ...any) { fmt.Fprintf(&l.text, f+"\n", a...) }
func (l *logged) Warnf(f string, a ...any) { fmt.Fprintf(&l.text, "warning: "+f+"\n", a...) }

// target is eth0 with the settings of an element, and those of the element default.
func target(t testing.TB, own, shared, root string) (*capture.Target, *logged) {
	t.Helper()
	var b strings.Builder
	b.WriteString("%YAML 1.1\n---\n" + root)
	b.WriteString("af-packet:\n  - interface: eth0\n")
	for _, l := range strings.Split(own, "\n") {
		b.WriteString("    " + l + "\n")
	}
	b.WriteString("  - interface: default\n")
	for _, l := range strings.Split(shared, "\n") {
		b.WriteString("    " + l + "\n")
	}
	tree, _, err := conf.Parse([]byte(b.String()), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list := tree.Get("af-packet").Children()
	log := new(logged)
	return &capture.Target{Name: "eth0", Root: tree.Root(), Own: list[0], Shared: list[1], Auto: 6, Log: log}, log
}

// The defaults are Suricata's, as its shipped configuration and user guide have them.
func TestConfigure(t *testing.T) {
	type O = afpacket.Options
	base := func(f func(o *O)) O {
		o := O{Interface: "eth0", Threads: 6, Promisc: true, Ring: afpacket.Blocks, Offloads: afpacket.OffloadsJoining}
		if f != nil {
			f(&o)
		}
		return o
	}
	inline := func(f func(o *O)) O {
		return base(func(o *O) {
			o.CopyTo, o.NoDefrag, o.Ring = "eth1", true, afpacket.Slots
			if f != nil {
				f(o)
			}
		})
	}
	tests := []struct {
		name, own, shared, root string
		want                    O
		say                     string
	}{
		{"nothing", "", "", "", base(nil), ""},
		{"threads auto", "threads: auto", "threads: 2", "", base(nil), ""},
		{"default section", "", "threads: 2\ncluster-id: 99\ncluster-type: cluster_cpu\ndefrag: no", "",
			base(func(o *O) { o.Threads, o.ClusterID, o.Cluster, o.NoDefrag = 2, 99, afpacket.ClusterCPU, true }), ""},
		{"own before default", "cluster-id: 5", "cluster-id: 99", "", base(func(o *O) { o.ClusterID = 5 }), ""},
		{"one queue", "cluster-type: cluster_qm", "", "", base(func(o *O) { o.Cluster, o.Threads = afpacket.ClusterQueue, 1 }), ""},
		{"sizes", "ring-size: 2048\nblock-size: 32768\nblock-timeout: 20\nbuffer-size: 64kb\nv2-block-size: 131072", "", "",
			base(func(o *O) {
				o.Packets, o.BlockSize, o.BlockTimeout, o.Buffer = 2048, 32768, 20*time.Millisecond, 65536
			}), ""},
		{"version 2", "tpacket-v3: no\nblock-size: 32768\nv2-block-size: 131072", "", "", base(func(o *O) { o.Ring, o.BlockSize = afpacket.Slots, 131072 }), ""},
		{"no ring", "use-mmap: no\ntpacket-v3: yes", "", "", base(func(o *O) { o.Ring = afpacket.Plain }), ""},
		{"ips", "copy-mode: ips\ncopy-iface: eth1", "", "", inline(nil), ""},
		{"tap", "copy-mode: tap\ncopy-iface: eth1", "", "", inline(func(o *O) { o.Tap = true }), ""},
		{"ips in blocks", "copy-mode: ips\ncopy-iface: eth1\ntpacket-v3: yes\ndefrag: yes", "", "",
			inline(func(o *O) { o.Ring, o.NoDefrag = afpacket.Blocks, false }), "defrag has no effect when frames are copied"},
		{"copy-iface alone", "copy-iface: eth1", "", "", base(nil), "copy-iface has no effect without copy-mode"},
		{"switches", "disable-promisc: yes\nmmap-locked: yes\nuse-emergency-flush: yes\nenable-hwtimestamp: true", "", "",
			base(func(o *O) { o.Promisc, o.Locked, o.Flush, o.HardwareTime = false, true, true, true }), ""},
		{"checksums auto", "checksum-checks: auto", "", "", base(func(o *O) { o.Checksums = afpacket.ChecksumsAuto }), ""},
		{"checksums yes", "checksum-checks: yes", "", "", base(func(o *O) { o.Checksums = afpacket.ChecksumsYes }), ""},
		{"checksums no", "checksum-checks: no", "", "", base(func(o *O) { o.Checksums = afpacket.ChecksumsNo }), ""},
		{"checksums kernel", "checksum-checks: kernel", "checksum-checks: no", "", base(nil), ""},
		{"offloads stay", "", "", "capture:\n  disable-offloading: false\n", base(func(o *O) { o.Offloads = afpacket.OffloadsLeave }), ""},
		{"filter", "bpf-filter: port 80 or udp", "", "bpf-filter: tcp\n", base(func(o *O) { o.Filter = "port 80 or udp" }), ""},
		{"filter of all", "", "", "bpf-filter: tcp\n", base(func(o *O) { o.Filter = "tcp" }), ""},
		{"objects", "cluster-type: cluster_ebpf\nebpf-lb-file: lb.o\nebpf-filter-file: filter.o", "", "",
			base(func(o *O) { o.Cluster, o.FanoutFile, o.FilterFile = afpacket.ClusterEBPF, "lb.o", "filter.o" }), ""},
		{"object without its type", "ebpf-lb-file: lb.o", "", "", base(nil), "test.yaml:5: ebpf-lb-file has no effect"},
		{"two filters", "bpf-filter: tcp\nebpf-filter-file: filter.o", "", "", base(func(o *O) { o.Filter = "tcp" }), "ebpf-filter-file has no effect"},
		{"rollover", "cluster-type: cluster_rollover\nrollover: yes", "", "", base(nil), "warning: test.yaml:5: cluster_rollover"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, log := target(t, tt.own, tt.shared, tt.root)
			got, err := afpacket.Configure(target)
			if err != nil {
				t.Fatal(err)
			}
			got.Log = nil
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if text := log.text.String(); !strings.Contains(text, tt.say) || tt.say == "" && text != "" {
				t.Errorf("log %q, want %q", text, tt.say)
			}
		})
	}
}

// Every wrong value is named, with its place.
func TestConfigureErrors(t *testing.T) {
	page := os.Getpagesize()
	for own, say := range map[string]string{
		"threads: many":                          `"many" is not an integer`,
		"threads: 0":                             "0 is not in 1-1024",
		"cluster-id: 70000":                      "70000 is not in 0-65535",
		"cluster-type: cluster_star":             "use cluster_flow, cluster_qm, cluster_cpu or cluster_ebpf",
		"defrag: perhaps":                        `"perhaps" is not yes or no`,
		"use-mmap: 2":                            `"2" is not yes or no`,
		"tpacket-v3: v3":                         `"v3" is not yes or no`,
		"block-size: 5000":                       fmt.Sprintf("block-size must be a multiple of %d", page),
		"block-size: 1gb":                        "is more than",
		"tpacket-v3: no\nv2-block-size: 100":     "v2-block-size must be a multiple",
		"ring-size: -1":                          "-1 is not in",
		"block-timeout: 99999999":                "is not in 0-60000",
		"buffer-size: huge":                      "huge",
		"checksum-checks: sometimes":             "use kernel, auto, yes or no",
		"bpf-filter: 'nonsense (('":              "bpf-filter of eth0",
		"copy-mode: ips":                         "needs copy-iface",
		"copy-mode: mirror\ncopy-iface: eth1":    "use ips, tap or none",
		"copy-mode: ips\ncopy-iface: eth0":       "an interface cannot be copied to itself",
		"enable-hwtimestamp: maybe":              "is not yes or no",
		"mmap-locked: x\nuse-emergency-flush: y": "is not yes or no",
	} {
		t.Run(own, func(t *testing.T) {
			target, _ := target(t, own, "", "")
			_, err := afpacket.Configure(target)
			if err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), "test.yaml:") {
				t.Errorf("got %v, want %q", err, say)
			}
		})
	}
	target, _ := target(t, "threads: x\ncluster-id: y\nchecksum-checks: z", "", "")
	_, err := afpacket.Configure(target)
	for _, line := range []string{"test.yaml:5", "test.yaml:6", "test.yaml:7"} {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%s is not in %v", line, err)
		}
	}
}

// What a user's object lacks is an error of the start.
func TestOpenWithoutObject(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.o")
	for _, o := range []afpacket.Options{
		{Interface: "lo", Cluster: afpacket.ClusterEBPF, Threads: 2, FanoutFile: none}, {Interface: "lo", FilterFile: none},
	} {
		if _, err := afpacket.Open(o); err == nil || !strings.Contains(err.Error(), none) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
