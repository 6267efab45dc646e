//go:build linux

package afpacket_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sentinel/capture/afpacket"
	"sentinel/qa/live"
)

// The kernel keeps the outer tag beside the frame; filters find it there, and the second one in the frame, as tcpdump's do.
func TestFilterVLAN(t *testing.T) {
	inner := udp(t, 1, false, 9, "double")
	frames := map[string][]byte{
		"plain": udp(t, 1, false, 0, "plain"), "seven": udp(t, 1, false, 7, "seven"), "eight": udp(t, 1, false, 5<<13|8, "eight"),
		"double": append(append(bytes.Clone(inner[:12]), 0x88, 0xa8, 0, 7), inner[12:]...),
	}
	for text, want := range map[string]string{
		"": "double eight plain seven", "vlan": "double eight seven", "vlan 7": "double seven", "vlan 8 and udp port 5353": "eight",
		"not vlan": "plain", "udp port 5353": "eight plain seven", "vlan 7 and vlan 9 and udp port 5353": "double", "vlan 7 and vlan 8": "",
		"vlan 8 and tcp": "",
	} {
		t.Run(text, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, afpacket.Options{Interface: "b", Filter: text})[0]
			tx := n.Sender("a")
			var got []string
			for _, name := range []string{"double", "eight", "plain", "seven"} {
				if err := tx.Send(frames[name]); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range collect(t, s, len(strings.Fields(want))) {
				for name := range frames {
					if bytes.Contains(f.Data, []byte(name)) {
						got = append(got, name)
					}
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q pass, want %q", got, want)
			}
		})
	}
}

// An object of the user's filters, and shares out.
func TestObjects(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		live.Skip(t, "needs clang to make an object")
	}
	dir := t.TempDir()
	source, object := filepath.Join(dir, "user.c"), filepath.Join(dir, "user.o")
	text := `
struct sk { unsigned int len; };
__attribute__((section("filter"), used)) int pass(struct sk *s) { return s->len > 200 ? -1 : 0; }
__attribute__((section("loadbalancer"), used)) int share(struct sk *s) { return 1; }
char license[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(clang, "-target", "bpf", "-O2", "-c", source, "-o", object).CombinedOutput(); err != nil {
		live.Skip(t, "clang makes no eBPF object on %s: %v\n%s", runtime.GOARCH, err, out)
	}
	n := live.New(t)
	n.Pair("a", "b")
	all, err := afpacket.Open(afpacket.Options{Interface: "b", Threads: 2, Cluster: afpacket.ClusterEBPF, FanoutFile: object, FilterFile: object})
	if errors.Is(err, os.ErrPermission) {
		live.Skip(t, "cannot load an eBPF program: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		defer s.Close()
	}
	tx := n.Sender("a")
	for i := range 20 {
		if err := tx.Send(udp(t, i, false, 0, strings.Repeat("x", 20*i))); err != nil {
			t.Fatal(err)
		}
	}
	want := 0
	for i := range 20 {
		if len(udp(t, i, false, 0, strings.Repeat("x", 20*i))) > 200 {
			want++
		}
	}
	if a, b := collect(t, all[0], 0), collect(t, all[1], want); len(a) != 0 || len(b) != want {
		t.Errorf("%d and %d frames, want none and %d", len(a), len(b), want)
	}
}
