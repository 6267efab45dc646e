//go:build linux

package live_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sentinel/qa/live"
)

// The engine as a program watches an interface on which a web server is asked: each request alerts once, a reload in the middle of
// the traffic loses nothing, and SIGTERM ends it with all flows written.
func TestAFPacket(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	server, client := n.Host("in0", "10.77.0.1/24"), n.Host("out0", "10.77.0.2/24")
	dir := t.TempDir()
	get := web(t, dir, server, client)
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("workers %d", workers), func(t *testing.T) { watch(t, server, get, workers) })
	}
}

func watch(t *testing.T, server *live.Host, get func(path string) error, workers int) {
	dir := t.TempDir()
	file := filepath.Join(dir, "live.rules")
	rules := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const always = `alert http any any -> any any (msg:"request"; flow:to_server,established; http.uri; content:"/item"; sid:1;)` + "\n"
	rules(always)
	p := start(t, server, workers, "--af-packet=in0", "--workers", fmt.Sprint(workers), "-S", file, "-l", dir, "-v", "--data-dir", t.TempDir())
	for i := range 20 {
		if i == 10 {
			rules(always + `alert http any any -> any any (msg:"new"; flow:to_server,established; http.uri; content:"/new"; sid:2;)` + "\n")
			p.signal(syscall.SIGUSR2) // and on with the traffic
		}
		if err := get(fmt.Sprintf("/item%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	p.said("rule reload complete")
	for i := range 5 {
		if err := get(fmt.Sprintf("/new%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(syscall.SIGTERM)
	p.ended(t)

	events := read(t, filepath.Join(dir, "eve.json"))
	count := map[string]int{}
	for _, e := range events {
		switch {
		case e.Type == "alert":
			count[fmt.Sprint("alert ", e.Alert.SID)]++
		case e.DestPort == 80:
			count[e.Type]++
		}
	}
	for what, want := range map[string]int{"alert 1": 20, "alert 2": 5, "http": 25, "flow": 25} {
		if count[what] != want {
			t.Errorf("%s: %d, want %d", what, count[what], want)
		}
	}
	if t.Failed() {
		t.Logf("%v\n%s", count, p.text())
	}
}

type event struct {
	Type     string `json:"event_type"`
	DestPort int    `json:"dest_port"`
	Alert    struct {
		SID int `json:"signature_id"`
	} `json:"alert"`
}

func read(t *testing.T, path string) []event {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []event
	for _, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// web starts a web server in one host, nginx or else one of ours, and returns what asks it from the other, by curl or else ourselves.
func web(t *testing.T, dir string, server, client *live.Host) func(path string) error {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		serve(t, server)
	} else {
		conf := filepath.Join(dir, "nginx.conf")
		text := strings.ReplaceAll(`daemon off; master_process off; pid DIR/pid; error_log DIR/error.log;
events {}
http {
	access_log off; keepalive_requests 100000000;
	client_body_temp_path DIR/1; proxy_temp_path DIR/2; fastcgi_temp_path DIR/3; uwsgi_temp_path DIR/4; scgi_temp_path DIR/5;
	server { listen 10.77.0.1:80; location / { return 200 "hello"; } }
}
`, "DIR", dir)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(nginx, "-c", conf, "-e", filepath.Join(dir, "error.log"))
		background(t, server, cmd)
	}
	curl, err := exec.LookPath("curl")
	get := func(path string) error {
		var err error
		client.Do(func() {
			var out []byte
			if out, err = exec.Command(curl, "-sS", "--noproxy", "*", "--max-time", "10", "http://10.77.0.1"+path).CombinedOutput(); err == nil && string(out) != "hello" {
				err = errors.New("unexpected answer")
			}
			if err != nil {
				err = fmt.Errorf("curl %s: %w: %s", path, err, out)
			}
		})
		return err
	}
	if err != nil {
		get = func(path string) error { return ask(client, path) }
	}
	// The server is up when it answers; nobody watches yet.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := get("/up")
		if err == nil {
			return get
		}
		if time.Now().After(end) {
			t.Fatalf("no web server: %v", err)
		}
	}
}

func serve(t *testing.T, server *live.Host) {
	t.Helper()
	var l net.Listener
	var err error
	server.Do(func() { l, err = net.Listen("tcp", "10.77.0.1:80") })
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}

// ask is curl's stand-in: a connection a request.
func ask(client *live.Host, path string) error {
	var c net.Conn
	var err error
	client.Do(func() { c, err = net.DialTimeout("tcp", "10.77.0.1:80", 5*time.Second) })
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: 10.77.0.1\r\nConnection: close\r\n\r\n", path); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	return r.Body.Close()
}

// background runs a program in a host until the test ends.
func background(t *testing.T, h *live.Host, cmd *exec.Cmd) {
	t.Helper()
	var err error
	h.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// process is the engine, running.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan error
	mu   sync.Mutex
	out  bytes.Buffer
}

var build struct {
	once sync.Once
	path string
	err  error
}

// program builds the engine once.
func program(t *testing.T) string {
	t.Helper()
	build.once.Do(func() {
		tool, err := exec.LookPath("go")
		if err != nil {
			build.err = err
			return
		}
		dir, err := os.MkdirTemp("", "sentinel-live")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "sentinel")
		cmd := exec.Command(tool, "build", "-tags", tags, "-o", build.path, "./cmd/sentinel")
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if errors.Is(build.err, exec.ErrNotFound) {
		live.Skip(t, "needs the Go tool to build the engine: %v", build.err)
	}
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if build.path != "" {
		os.RemoveAll(filepath.Dir(build.path))
	}
	os.Exit(code)
}

// start runs the engine in a host, and waits until so many workers capture.
func start(t *testing.T, h *live.Host, workers int, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program(t), args...), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	var err error
	h.Do(func() { err = p.cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	// The kernel lists the packet sockets of the process's namespace: the fourth column is the protocol, 0003 for all, the fifth the
	// interface, and the sixth 1 when it runs. When a socket joins the others, flows move: all must be there.
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/packet", p.cmd.Process.Pid))
		running := 0
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 5 && f[3] == "0003" && f[5] == "1" {
				running++
			}
		}
		if running == workers {
			return p
		}
		select {
		case err := <-p.done:
			t.Fatalf("the engine ended: %v\n%s", err, p.text())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the engine does not capture\n%s", p.text())
		}
	}
}

// Write implements io.Writer, for the program's output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// said waits until the program has said something.
func (p *process) said(what string) {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); !strings.Contains(p.text(), what); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("the engine does not say %q\n%s", what, p.text())
		}
	}
}

// ended waits until the program has ended without an error.
func (p *process) ended(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("the engine ended with %v\n%s", err, p.text())
		}
	case <-time.After(30 * time.Second):
		p.signal(syscall.SIGQUIT) // Go's runtime tells where everything hangs
		<-p.done
		t.Fatalf("the engine does not end\n%s", p.text())
	}
}
