//go:build linux

package afpacket_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture/afpacket"
	"sentinel/qa/live"
)

func TestOpenErrors(t *testing.T) {
	tests := []struct {
		name string
		opts afpacket.Options
		say  string
	}{
		{"no name", afpacket.Options{}, "no interface is named"},
		{"no such interface", afpacket.Options{Interface: "nosuch0"}, "cannot capture on nosuch0: no such interface"},
		{"name too long", afpacket.Options{Interface: strings.Repeat("x", 40)}, "no such interface"},
		{"block size", afpacket.Options{Interface: "lo", BlockSize: 5000}, "block size 5000"},
		{"one block", afpacket.Options{Interface: "lo", Blocks: 1}, "1 blocks"},
		{"threads", afpacket.Options{Interface: "lo", Threads: -1}, "-1 threads"},
		{"timeout", afpacket.Options{Interface: "lo", BlockTimeout: time.Microsecond}, "timeout 1µs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := afpacket.Open(tt.opts)
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("got %v, want %q", err, tt.say)
			}
		})
	}
}

// Without rights the error names the capability. Rights are a thread's: this one loses its own and ends.
func TestNoRights(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := afpacket.Open(afpacket.Options{Interface: "lo"})
		if err == nil {
			live.Skip(t, "this user has the right to capture")
		}
		if !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Error(err)
		}
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			done <- err
			return
		}
		_, err := afpacket.Open(afpacket.Options{Interface: "lo"})
		done <- err
	}()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "cannot capture on lo: needs the capability CAP_NET_RAW") {
		t.Errorf("got %v", err)
	}
}

func TestParseCluster(t *testing.T) {
	for name, want := range map[string]afpacket.Cluster{
		"cluster_flow": afpacket.ClusterFlow, "cluster_rollover": afpacket.ClusterFlow, "cluster_qm": afpacket.ClusterQueue,
		"cluster_cpu": afpacket.ClusterCPU, "cluster_ebpf": afpacket.ClusterEBPF,
		"cluster_random": afpacket.ClusterRandom, "cluster_round_robin": afpacket.ClusterRoundRobin,
	} {
		if got, err := afpacket.ParseCluster(name); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := afpacket.ParseCluster("cluster_x"); err == nil {
		t.Error("cluster_x is accepted")
	}
}
