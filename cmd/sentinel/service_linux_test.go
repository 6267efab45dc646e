package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/qa/live"
)

// deployed is the program as a process of its own, on an interface of the test's network.
type deployed struct {
	t      *testing.T
	dir    string // readable by everybody
	pid    int
	out    safeBuffer
	sender *live.Sender
}

// deploy starts the program with a configuration and a rule that alerts on what send sends. With the option -D it waits until the process
// in front has ended, else until there is an alert.
func deploy(t *testing.T, config string, env []string, args ...string) *deployed {
	t.Helper()
	n := live.New(t)
	n.Pair("sen0", "peer0")
	d := &deployed{t: t, dir: t.TempDir(), sender: n.Sender("peer0")}
	if err := os.Chmod(filepath.Dir(d.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.path("log"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.write("s.yaml", "%YAML 1.1\n---\n"+config+`
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, flow]}
logging:
  default-log-level: info
  outputs: [{file: {enabled: yes, filename: suricata.log}}, {console: {enabled: yes}}]
`)
	d.rule(1)
	args = append([]string{"sentinel", "-c", d.path("s.yaml"), "-S", d.path("s.rules"), "-l", d.path("log"), "--data-dir", d.path("data"),
		"--af-packet=sen0", "--runmode=single", "--pidfile", d.path("s.pid")}, args...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: args, Env: append(os.Environ(), env...), Stdout: &d.out, Stderr: &d.out}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	d.pid = cmd.Process.Pid
	if slices.Contains(args, "-D") {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("%v\n%s", err, &d.out)
			}
		case <-time.After(liveWait):
			t.Fatalf("the process in front does not end\n%s", &d.out)
		}
		// It is up: this must be so now, without waiting.
		b, err := os.ReadFile(d.path("s.pid"))
		if err != nil {
			t.Fatal(err)
		}
		if d.pid, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil || d.pid == cmd.Process.Pid {
			t.Fatalf("pid file %q, %v; the process in front was %d", b, err, cmd.Process.Pid)
		}
		t.Cleanup(func() { _ = syscall.Kill(d.pid, syscall.SIGKILL) })
	} else {
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			<-done
		})
	}
	d.until("eve.json", `"signature_id":1,`, d.send)
	return d
}

func (d *deployed) path(name string) string { return filepath.Join(d.dir, name) }

func (d *deployed) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployed) rule(sid int) {
	d.t.Helper()
	d.write("s.rules", fmt.Sprintf("alert udp any any -> any 9999 (msg:\"live\"; content:\"sentinel\"; sid:%d;)\n", sid))
}

func (d *deployed) send() {
	if err := d.sender.Send(datagram("hello sentinel")); err != nil {
		d.t.Error(err)
	}
}

func (d *deployed) signal(s syscall.Signal) {
	d.t.Helper()
	if err := syscall.Kill(d.pid, s); err != nil {
		d.t.Fatalf("%v\n%s", err, &d.out)
	}
}

// until does something again and again until a log has a text.
func (d *deployed) until(name, text string, do func()) {
	d.t.Helper()
	for end := time.Now().Add(liveWait); ; time.Sleep(20 * time.Millisecond) {
		if do != nil {
			do()
		}
		b, _ := os.ReadFile(filepath.Join(d.dir, "log", name))
		if bytes.Contains(b, []byte(text)) {
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(d.dir, "log", "suricata.log"))
			d.t.Fatalf("%s has no %s:\n%.3000s\n%s\n%s", name, text, b, log, &d.out)
		}
	}
}

// gone waits until the process is no more.
func (d *deployed) gone() {
	d.t.Helper()
	for end := time.Now().Add(liveWait); ; time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.pid))
		if err != nil || bytes.Contains(b, []byte(") Z ")) {
			return
		}
		if time.Now().After(end) {
			d.t.Fatalf("the process does not end\n%s", &d.out)
		}
	}
}

// rotate renames the event file and lets the process open it anew, then changes the rule; both must work.
func (d *deployed) rotate() {
	d.t.Helper()
	if err := os.Rename(d.path("log/eve.json"), d.path("log/eve.old")); err != nil {
		d.t.Fatal(err)
	}
	d.signal(syscall.SIGHUP)
	d.until("eve.json", `"signature_id":1,`, d.send)
	d.rule(2)
	d.signal(syscall.SIGUSR2)
	d.until("eve.json", `"signature_id":2,`, d.send)
}

// threads returns the lines of /proc/PID/task/*/status with these names, by line.
func (d *deployed) threads(names ...string) map[string]int {
	d.t.Helper()
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.pid))
	if err != nil || len(list) < 2 {
		d.t.Fatalf("%d threads: %v", len(list), err)
	}
	count := map[string]int{}
	for _, f := range list {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // has ended since
		}
		for _, line := range strings.Split(string(b), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && slices.Contains(names, name) {
				count[name+" "+strings.Join(strings.Fields(value), " ")]++
			}
		}
	}
	return count
}

// In the background and as another user the process has the rights that capturing needs in none of its threads more, and still
// rotates, reloads, and ends with all flows written.
func TestDaemonUser(t *testing.T) {
	nobody := func() string {
		b, _ := os.ReadFile("/etc/passwd")
		m := regexp.MustCompile(`(?m)^nobody:[^:]*:(\d+):(\d+):`).FindSubmatch(b)
		if m == nil {
			live.Skip(t, "there is no user nobody")
		}
		return string(m[1])
	}()
	d := deploy(t, "security: {limit-noproc: true}\ncoredump: {max-dump: unlimited}", nil, "-D", "--user", "nobody")
	check := func(when string) {
		t.Helper()
		got := d.threads("Uid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd", "NoNewPrivs", "Seccomp")
		caps := fmt.Sprintf("%016x", 1<<unix.CAP_NET_RAW|1<<unix.CAP_NET_ADMIN)
		want := []string{"Uid " + strings.Join([]string{nobody, nobody, nobody, nobody}, " "), "CapEff " + caps, "CapPrm " + caps,
			"CapBnd " + caps, "CapInh 0000000000000000", "CapAmb 0000000000000000", "NoNewPrivs 1", "Seccomp 2"}
		for _, w := range want {
			if got[w] == 0 {
				t.Errorf("%s: no thread has %s: %v", when, w, got)
			}
		}
		if len(got) != len(want)+1 { // and the group, whose number differs from system to system
			t.Errorf("%s: threads differ from one another: %v", when, got)
		}
	}
	check("at the start")
	d.rotate()
	check("after a reload")
	d.signal(syscall.SIGTERM)
	d.gone()
	d.until("eve.json", `"event_type":"flow"`, nil)
	// The folder belongs to root: the file can only be emptied.
	if b, err := os.ReadFile(d.path("s.pid")); err == nil && len(b) > 0 {
		t.Errorf("the pid file still has %q", b)
	}
}

// Behind Landlock the process still rotates and reloads, and what it should not open it cannot.
func TestDaemonLandlock(t *testing.T) {
	if abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); errno != 0 || abi < 1 {
		live.Skip(t, "the kernel has no Landlock: %v", errno)
	}
	d := deploy(t, "security: {limit-noproc: true, landlock: {enabled: yes, directories: {read: [/usr/]}}}", nil)
	d.rotate()
	if got := d.threads("NoNewPrivs"); len(got) != 1 || got["NoNewPrivs 1"] == 0 {
		t.Errorf("%v", got)
	}
	// A rule file and an event file that lead somewhere else.
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "s.rules"), []byte("alert ip any any -> any any (sid:3;)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"s.rules": filepath.Join(other, "s.rules"), "log/eve.json": filepath.Join(other, "eve.json")} {
		if err := os.Remove(d.path(link)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, d.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	d.signal(syscall.SIGUSR2)
	d.until("suricata.log", "s.rules: cannot open: permission denied", nil)
	d.signal(syscall.SIGHUP)
	d.until("suricata.log", "eve.json: permission denied", nil)
	if _, err := os.Stat(filepath.Join(other, "eve.json")); err == nil {
		t.Error("a file was made where none may be")
	}
	d.signal(syscall.SIGTERM)
	d.gone()
}

// The service manager hears of the start, of a reload and of the end, and of every day between.
func TestDaemonNotify(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	said := make(chan string, 1000)
	go func() {
		b := make([]byte, 4096)
		for {
			n, _, err := socket.ReadFrom(b)
			if err != nil {
				return
			}
			said <- string(b[:n])
		}
	}()
	var heard []string
	hear := func(what string) string {
		t.Helper()
		for end := time.After(liveWait); ; {
			select {
			case s := <-said:
				heard = append(heard, s)
				if strings.Contains("\n"+s+"\n", "\n"+what) {
					return s
				}
			case <-end:
				t.Fatalf("nothing says %s: %q", what, heard)
			}
		}
	}
	d := deploy(t, "", []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "WATCHDOG_USEC=300000"})
	if s := hear("READY=1\n"); !strings.Contains(s, fmt.Sprintf("MAINPID=%d\n", d.pid)) || !strings.Contains(s, "STATUS=Capturing on sen0 with 1 rules") {
		t.Errorf("%q", s)
	}
	hear("WATCHDOG=1\n")
	hear("WATCHDOG=1\n")
	var before, after unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
	d.rule(2)
	d.signal(syscall.SIGUSR2)
	s := hear("RELOADING=1\n")
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
	m := regexp.MustCompile(`MONOTONIC_USEC=(\d+)`).FindStringSubmatch(s)
	if m == nil {
		t.Fatalf("%q", s)
	}
	if at, _ := strconv.ParseInt(m[1], 10, 64); at < before.Nano()/1000 || at > after.Nano()/1000 {
		t.Errorf("%q is not between %d and %d", s, before.Nano()/1000, after.Nano()/1000)
	}
	hear("READY=1\n")
	d.until("eve.json", `"signature_id":2,`, d.send)
	d.signal(syscall.SIGTERM)
	hear("STOPPING=1\n")
	d.gone()
	if _, err := os.Stat(d.path("s.pid")); err == nil {
		t.Error("the pid file is still there")
	}
}

// A pid file of a process that runs is not taken over, and that process goes on.
func TestDaemonTwice(t *testing.T) {
	d := deploy(t, "", nil)
	var out safeBuffer
	again := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"sentinel", "-r", d.path("none.pcap"), "-l", d.dir, "--pidfile", d.path("s.pid")},
		Stdout: &out, Stderr: &out}
	if err := again.Run(); err == nil || !strings.Contains(out.String(), fmt.Sprintf("process %d is running", d.pid)) {
		t.Errorf("%v: %s", err, &out)
	}
	if b, err := os.ReadFile(d.path("s.pid")); err != nil || strings.TrimSpace(string(b)) != fmt.Sprint(d.pid) {
		t.Errorf("pid file %q, %v", b, err)
	}
	d.signal(syscall.SIGTERM)
	d.gone()
}

// Each flow that the process has seen is written when it is told to end, whatever the signal.
func TestDaemonFlows(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			d := deploy(t, "", nil)
			const flows = 2000
			frame := datagram("sentinel of many flows")
			for i := range flows {
				frame[14+20], frame[14+21] = byte(0x40+i>>8), byte(i) // the source port
				frame[14+26], frame[14+27] = 0, 0                     // no checksum
				if err := d.sender.Send(frame); err != nil {
					t.Fatal(err)
				}
			}
			d.signal(s)
			d.gone()
			b, err := os.ReadFile(d.path("log/eve.json"))
			if err != nil {
				t.Fatal(err)
			}
			count := map[string]int{}
			for _, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
				var e struct {
					Type string `json:"event_type"`
				}
				if err := json.Unmarshal(line, &e); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				count[e.Type]++
			}
			if count["flow"] != flows+1 { // and that of the start
				t.Errorf("%v, want %d flows", count, flows+1)
			}
		})
	}
}

// The second signal, or an end that takes too long, ends the process.
func TestStopAtOnce(t *testing.T) {
	old, limit := exit, stopLimit
	defer func() { exit, stopLimit = old, limit }()
	status := make(chan int, 10)
	exit = func(n int) { status <- n }
	for _, tt := range []struct {
		name    string
		signals int
		limit   time.Duration
		want    string
	}{{"second signal", 2, time.Hour, "a second signal"}, {"limit", 1, 10 * time.Millisecond, "takes longer than 10ms"}} {
		t.Run(tt.name, func(t *testing.T) {
			stopLimit = tt.limit
			var out safeBuffer
			o := &options{}
			s := &service{o: o, log: newLog(o, &out, &out)}
			// The test must live through signals that come late.
			c := make(chan os.Signal, 8)
			signal.Notify(c, syscall.SIGINT)
			defer signal.Stop(c)
			ctx, stop := s.context()
			defer stop()
			for i := range tt.signals {
				if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					<-ctx.Done()
				}
			}
			select {
			case n := <-status:
				if n != 1 || !strings.Contains(out.String(), tt.want) {
					t.Errorf("status %d: %s", n, &out)
				}
			case <-time.After(liveWait):
				t.Error("the process does not end")
			}
		})
	}
}

// Workers have the processors and the priority of their set, all other threads those of the management set, and new ones too.
func TestDaemonThreads(t *testing.T) {
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil || cpus.Count() < 2 || !cpus.IsSet(0) || !cpus.IsSet(1) {
		live.Skip(t, "needs the processors 0 and 1")
	}
	for name, sets := range map[string]string{
		"map": `
    management-cpu-set: {cpu: [0]}
    worker-cpu-set: {cpu: [all], interface-specific-cpu-set: [{interface: sen0, cpu: ["1-1"], prio: {high: [all]}}]}`,
		"list": `
    - management-cpu-set: {cpu: [0]}
    - worker-cpu-set: {cpu: [1], mode: exclusive, prio: {high: [1], default: low}}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, "threading:\n  set-cpu-affinity: yes\n  stack-size: 8 MiB\n  cpu-affinity:"+sets, nil)
			d.rule(2)
			d.signal(syscall.SIGUSR2) // a reload works in threads of its own
			d.until("eve.json", `"signature_id":2,`, d.send)
			d.until("suricata.log", "W#00-sen0: processors 1, priority high", nil)
			d.until("suricata.log", "management threads: processors 0 ", nil)
			if got := d.threads("Cpus_allowed_list"); len(got) != 2 || got["Cpus_allowed_list 1"] != 1 || got["Cpus_allowed_list 0"] < 2 {
				t.Errorf("%v", got)
			}
			list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.pid))
			if err != nil {
				t.Fatal(err)
			}
			nice := map[string]int{}
			for _, f := range list {
				b, err := os.ReadFile(f)
				if err != nil {
					continue // has ended since
				}
				_, rest, _ := strings.Cut(string(b), ") ")
				nice[strings.Fields(rest)[16]]++ // field 19 of the line
			}
			raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // what the program inherits; the system call gives 20 less that
			if err != nil {
				t.Fatal(err)
			}
			if own := strconv.Itoa(20 - raw); nice["-2"] != 1 || len(nice) != 2 || nice[own] < 2 {
				t.Errorf("niceness of threads: %v, of this one %s", nice, own)
			}
			d.signal(syscall.SIGTERM)
			d.gone()
		})
	}
}
