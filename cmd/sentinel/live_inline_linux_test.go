package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sentinel/qa/live"
)

// wired is two hosts with the program between them.
type wired struct {
	client, server *live.Host
	args           []string
}

const inlineConfig = `%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert: {verdict: yes}, drop, flow, stats]}
stats: {enabled: yes, interval: 3600}
af-packet:
  - interface: in0
    copy-iface: in1
  - interface: in1
    copy-iface: in0
  - interface: default
    copy-mode: ips
    threads: 1
    cluster-id: 0
`

func onWire(t testing.TB, rules string) *wired {
	n := live.New(t)
	n.Pair("in0", "left")
	n.Pair("in1", "right")
	w := &wired{client: n.Host("left", "10.7.0.1/24"), server: n.Host("right", "10.7.0.2/24")}
	dir := t.TempDir()
	config, file := filepath.Join(dir, "inline.yaml"), filepath.Join(dir, "inline.rules")
	for name, text := range map[string]string{config: inlineConfig, file: rules} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.args = []string{"--quiet", "-c", config, "-S", file, "--af-packet"}
	return w
}

// listen opens a UDP socket of a host.
func listen(t testing.TB, h *live.Host, addr string) (c *net.UDPConn) {
	h.Do(func() {
		l, err := net.ListenPacket("udp4", addr)
		if err != nil {
			t.Error(err)
			return
		}
		c = l.(*net.UDPConn)
		_ = c.SetReadBuffer(8 << 20)
		t.Cleanup(func() { c.Close() })
	})
	if c == nil {
		t.Fatal("no socket")
	}
	return c
}

// serveWeb starts a web server that takes its time.
func serveWeb(t *testing.T, do func(func()), addr string, wait time.Duration) {
	do(func() {
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			t.Error(err)
			return
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(wait)
			fmt.Fprint(w, "hello")
		})}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
	})
}

func curl(t *testing.T, client *live.Host, url string) string {
	program, err := exec.LookPath("curl")
	if err != nil {
		live.Skip(t, "curl is not installed")
	}
	var out []byte
	client.Do(func() {
		out, _ = exec.Command(program, "-sS", "--noproxy", "*", "--max-time", "10", url).CombinedOutput()
	})
	return string(out)
}

// Who asks for what a rule rejects is told at once: curl says that the connection was reset. Other requests pass.
func TestLiveRejectInline(t *testing.T) {
	w := onWire(t, `reject tcp any any -> any 80 (msg:"no"; flow:to_server,established; content:"/forbidden"; sid:1;)
reject udp any any -> any 9999 (msg:"no port"; content:"closed"; sid:2;)
`)
	serveWeb(t, w.server.Do, "10.7.0.2:80", 0)
	var out net.Conn
	w.client.Do(func() {
		var err error
		if out, err = net.Dial("udp4", "10.7.0.2:9999"); err != nil {
			t.Error(err)
		}
	})
	if out == nil {
		return
	}
	defer out.Close()
	watch(t, w.args, func(p *program) {
		ok := false
		for end := time.Now().Add(liveWait); !ok && time.Now().Before(end); {
			ok = curl(t, w.client, "http://10.7.0.2/fine") == "hello"
		}
		if !ok {
			t.Error("a request that no rule rejects does not pass")
			return
		}
		if s := curl(t, w.client, "http://10.7.0.2/forbidden"); !strings.Contains(s, "reset") {
			t.Errorf("curl says %q", s)
		}
		// An ICMP error makes the next write or read of a connected socket fail.
		refused := false
		for end := time.Now().Add(liveWait); !refused && time.Now().Before(end); {
			_, err := out.Write([]byte("closed"))
			if err == nil {
				_ = out.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				_, err = out.Read(make([]byte, 10))
			}
			refused = err != nil && (strings.Contains(err.Error(), "no route to host") || strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "unreachable") || strings.Contains(err.Error(), "is not on the network") || strings.Contains(err.Error(), "host is down"))
		}
		if !refused {
			t.Error("the sender of a rejected datagram is not told")
		}
		p.until("eve.json", `"reject":["tcp-reset"]`, nil)
	})
}

// A passive engine resets too, through a raw socket. The rule looks at packets: the stream is looked at when it is acknowledged, which may
// be too late.
func TestLiveRejectPassive(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "left")
	n.Address("in0", "10.7.0.2/24")
	client := n.Host("left", "10.7.0.1/24")
	serveWeb(t, func(f func()) { f() }, "10.7.0.2:80", time.Second)
	rules := filepath.Join(t.TempDir(), "passive.rules")
	if err := os.WriteFile(rules, []byte(`reject tcp any any -> any 80 (msg:"no"; flow:to_server,established; content:"/forbidden"; dsize:>0; sid:1;)`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	watch(t, []string{"--quiet", "-S", rules, "--af-packet=in0"}, func(p *program) {
		var s string
		for end := time.Now().Add(liveWait); time.Now().Before(end); {
			if s = curl(t, client, "http://10.7.0.2/forbidden"); strings.Contains(s, "reset") {
				return
			}
		}
		t.Errorf("curl says %q", s)
		e, _ := os.ReadFile(filepath.Join(p.dir, "eve.json"))
		t.Logf("%.3000s\n%s", e, &p.stderr)
	})
}

// What had come when the engine is told to stop is judged and forwarded.
func TestLiveInlineStop(t *testing.T) {
	const frames = 1500
	w := onWire(t, "drop udp any any -> any 9999 (msg:\"evil\"; content:\"evil\"; sid:1;)\n")
	in, out := listen(t, w.server, "10.7.0.2:9999"), listen(t, w.client, "10.7.0.1:0")
	to := &net.UDPAddr{IP: net.IPv4(10, 7, 0, 2), Port: 9999}
	var got [frames]bool
	n := 0
	take := func(b []byte) {
		if len(b) == 8 && string(b[:4]) == "good" {
			if i := binary.BigEndian.Uint32(b[4:]); i < frames && !got[i] {
				got[i] = true
				n++
			}
		}
	}
	watch(t, w.args, func(p *program) {
		b := make([]byte, 100)
		up := false
		for end := time.Now().Add(liveWait); !up && time.Now().Before(end); {
			_, _ = out.WriteTo([]byte("up"), to)
			_ = in.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, _, err := in.ReadFrom(b)
			up = err == nil
		}
		if !up {
			t.Error("nothing passes")
			return
		}
		for i := range uint32(frames) {
			if _, err := out.WriteTo(binary.BigEndian.AppendUint32([]byte("good"), i), to); err != nil {
				t.Error(err)
			}
		}
	})
	b := make([]byte, 100)
	for n < frames {
		_ = in.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		k, _, err := in.ReadFrom(b)
		if err != nil {
			break
		}
		take(b[:k])
	}
	if n != frames {
		t.Errorf("%d of %d frames arrive that were sent before the engine was told to stop", n, frames)
	}
}

// BenchmarkInlineLatency measures what the engine adds to a round trip, by a datagram every millisecond: "direct" are two hosts on
// one veth pair, "inline" the same with the engine between two pairs. "loaded" has other traffic on the wire.
func BenchmarkInlineLatency(b *testing.B) {
	const addr = "10.7.0.2:9999"
	measure := func(b *testing.B, client, server *live.Host) {
		in, out := listen(b, server, addr), listen(b, client, "10.7.0.1:0")
		go func() {
			buf := make([]byte, 100)
			for {
				n, from, err := in.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = in.WriteTo(buf[:n], from)
			}
		}()
		to := &net.UDPAddr{IP: net.IPv4(10, 7, 0, 2), Port: 9999}
		buf := make([]byte, 100)
		probe := func(i uint64, wait time.Duration) time.Duration {
			at := time.Now()
			_, _ = out.WriteTo(binary.BigEndian.AppendUint64(nil, i), to)
			_ = out.SetReadDeadline(at.Add(wait))
			for {
				n, _, err := out.ReadFrom(buf)
				if err != nil {
					return -1
				}
				if n == 8 && binary.BigEndian.Uint64(buf) == i {
					return time.Since(at)
				}
			}
		}
		i := uint64(0)
		for end := time.Now().Add(liveWait); probe(i, 100*time.Millisecond) < 0; i++ {
			if time.Now().After(end) {
				b.Error("nothing passes")
				return
			}
		}
		var all []time.Duration
		lost := 0
		b.ResetTimer()
		for range b.N {
			i++
			d := probe(i, 200*time.Millisecond)
			if d < 0 {
				lost++
				continue
			}
			all = append(all, d)
			time.Sleep(time.Millisecond)
		}
		b.StopTimer()
		if len(all) == 0 {
			return
		}
		slices.Sort(all)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(all[len(all)/2])/2e3, "µs-median-one-way")
		b.ReportMetric(float64(all[len(all)*99/100])/2e3, "µs-p99-one-way")
		b.ReportMetric(float64(lost), "lost")
	}
	b.Run("direct", func(b *testing.B) {
		n := live.New(b)
		n.Pair("left", "right")
		measure(b, n.Host("left", "10.7.0.1/24"), n.Host("right", "10.7.0.2/24"))
	})
	for _, mode := range []string{"workers", "autofp"} {
		for _, load := range []int{0, 20000} {
			b.Run(fmt.Sprintf("%s/load=%d", mode, load), func(b *testing.B) {
				w := onWire(b, "drop udp any any -> any any (msg:\"evil\"; content:\"evil\"; sid:1;)\n")
				sink := listen(b, w.server, "10.7.0.2:9998")
				flood := listen(b, w.client, "10.7.0.1:0")
				var stop atomic.Bool
				run(append(w.args, "-l", b.TempDir(), "--runmode", mode), w.background(b, func() {
					if load > 0 {
						go func() {
							to := &net.UDPAddr{IP: net.IPv4(10, 7, 0, 2), Port: 9998}
							payload := make([]byte, 500)
							for !stop.Load() {
								for range load / 1000 {
									_, _ = flood.WriteTo(payload, to)
								}
								time.Sleep(time.Millisecond)
							}
						}()
					}
					measure(b, w.client, w.server)
					stop.Store(true)
					_ = sink
				}), os.Stderr)
			})
		}
	}
}

// background runs f beside the program on this goroutine, and then stops that. It returns where the program is to write.
func (w *wired) background(b *testing.B, f func()) *os.File {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close() })
	go func() {
		f()
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
	}()
	return null
}
