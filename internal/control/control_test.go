package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// open starts a server with a few commands.
func open(t testing.TB, more ...Command) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := Listen(Config{Path: filepath.Join(dir, "s"), UID: -1, GID: -1, Commands: append([]Command{
		{Name: "uptime", Run: func(Args) Reply { return OK(0) }},
		{Name: "text", Run: func(Args) Reply { return OK("") }},
		{Name: "conf-get", Args: true, Run: func(a Args) Reply {
			v, ok := a.Text("variable")
			if !ok {
				return NOK("variable is not a string")
			}
			return OK(v)
		}},
		{Name: "number", Args: true, Run: func(a Args) Reply {
			v, whole, ok := a.Uint32("id")
			return OK(fmt.Sprint(v, whole, ok))
		}},
		{Name: "broken", Run: func(Args) Reply { panic("a bug") }},
	}, more...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t testing.TB, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// say sends text and reads until a reply is complete, or the connection ends.
func say(t testing.TB, c net.Conn, text string) string {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		return "closed"
	}
	var out []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		out = append(out, buf[:n]...)
		if json.Valid(out) {
			return string(out)
		}
		if err != nil {
			return string(out) + "closed"
		}
	}
}

// The exchanges are those of Suricata's user guide (unix-socket.rst) and of its server's source.
func TestProtocol(t *testing.T) {
	s := open(t)
	tests := []struct {
		name      string
		say, want []string
	}{
		{"0.1 has no newlines", []string{`{"version": "0.1"}`, `{"command": "uptime"}`},
			[]string{`{"return":"OK"}`, `{"message":0,"return":"OK"}`}},
		{"0.2 has", []string{`{"version": "0.2"}` + "\n", `{"command": "uptime"}` + "\n"},
			[]string{`{"return":"OK"}` + "\n", `{"message":0,"return":"OK"}` + "\n"}},
		{"0.2 as the Python client greets", []string{`{"version": "0.2"}`, "{\"command\": \"uptime\"}\n"},
			[]string{`{"return":"OK"}` + "\n", `{"message":0,"return":"OK"}` + "\n"}},
		{"empty text", []string{`{"version": "0.1"}`, `{"command": "text"}`}, []string{`{"return":"OK"}`, `{"message":"","return":"OK"}`}},
		{"arguments", []string{`{"version": "0.1"}`, `{"command":"conf-get","arguments":{"variable":"<&>é"}}`, `{"command":"conf-get","arguments":{"variable":1}}`},
			[]string{`{"return":"OK"}`, `{"message":"<&>é","return":"OK"}`, `{"message":"variable is not a string","return":"NOK"}`}},
		{"no arguments", []string{`{"version": "0.1"}`, `{"command":"conf-get"}`, `{"command":"conf-get","arguments":[]}`},
			[]string{`{"return":"OK"}`, `{"message":"arguments is not an object","return":"NOK"}`, `{"message":"arguments is not an object","return":"NOK"}`}},
		{"unknown", []string{`{"version": "0.1"}`, `{"command":"sing"}`, `{"command":7}`, `{}`},
			[]string{`{"return":"OK"}`, `{"message":"Unknown command","return":"NOK"}`, `{"message":"command is not a string","return":"NOK"}`,
				`{"message":"command is not a string","return":"NOK"}`}},
		{"other version", []string{`{"version": "0.3"}`}, []string{`{"message":"unknown protocol version: say 0.1 or 0.2","return":"NOK"}` + "\n"}},
		{"numbers", []string{`{"version": "0.1"}`, `{"command":"number","arguments":{"id":4294967295}}`, `{"command":"number","arguments":{"id":4294967296}}`,
			`{"command":"number","arguments":{"id":-1}}`, `{"command":"number","arguments":{"id":1.5}}`, `{"command":"number","arguments":{"id":"1"}}`,
			`{"command":"number","arguments":{"id":99999999999999999999}}`},
			[]string{`{"return":"OK"}`, `{"message":"4294967295 true true","return":"OK"}`, `{"message":"0 true false","return":"OK"}`,
				`{"message":"4294967295 true false","return":"OK"}`, `{"message":"0 false false","return":"OK"}`, `{"message":"0 false false","return":"OK"}`,
				`{"message":"9223372036854775807 true false","return":"OK"}`}},
		{"a bug is a reply", []string{`{"version": "0.1"}`, `{"command":"broken"}`, `{"command":"uptime"}`},
			[]string{`{"return":"OK"}`, `{"message":"internal error","return":"NOK"}`, `{"message":0,"return":"OK"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			for i, text := range tt.say {
				got := say(t, c, text)
				if tt.name == "numbers" && i == 6 { // whatever a number beyond 64 bits is, it is not 32 bits
					if strings.Contains(got, "true true") {
						t.Errorf("%s: %q", text, got)
					}
					continue
				}
				if got != tt.want[i] {
					t.Errorf("%s: got %q, want %q", text, got, tt.want[i])
				}
			}
		})
	}
}

func TestBadClients(t *testing.T) {
	s := open(t)
	for _, tt := range []struct{ name, text string }{
		{"nonsense for a greeting", "GET / HTTP/1.1\r\n\r\n"},
		{"nonsense for a command", `{"version":"0.2"}` + "\nnonsense\n"},
		{"a list", `{"version":"0.2"}` + "\n[1,2]\n"},
		{"endless", `{"version":"0.2"}` + "\n" + `{"command":"` + strings.Repeat("x", 2*maxMessage)},
		{"deep", `{"version":"0.2"}` + "\n" + `{"command":` + strings.Repeat("[", maxMessage-100)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			go io.WriteString(c, tt.text)
			if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection goes on: %v", err)
			}
		})
	}
	t.Run("half a message", func(t *testing.T) {
		half := dial(t, s)
		say(t, half, `{"version":"0.1"}`)
		io.WriteString(half, `{"command":`)
		if got := say(t, dial(t, s), `{"version":"0.1"}`); got != `{"return":"OK"}` {
			t.Errorf("another client gets %q", got)
		}
		if got := say(t, half, `"uptime"}`); got != `{"message":0,"return":"OK"}` {
			t.Errorf("the other half gives %q", got)
		}
	})
	t.Run("too many", func(t *testing.T) {
		var all []net.Conn
		for range maxClients + 10 {
			c := dial(t, s)
			if got := say(t, c, `{"version":"0.1"}`); got != `{"return":"OK"}` {
				t.Fatalf("client %d gets %q", len(all), got)
			}
			all = append(all, c)
		}
		if got := say(t, all[len(all)-1], `{"command":"uptime"}`); got != `{"message":0,"return":"OK"}` {
			t.Errorf("the last gets %q", got)
		}
		if _, err := all[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the first, idle longest, is still there")
		}
	})
}

// A command that takes long is nobody else's business.
func TestSlowCommand(t *testing.T) {
	gate := make(chan struct{})
	s := open(t, Command{Name: "slow", Run: func(Args) Reply { <-gate; return OK("done") }})
	slow, other := dial(t, s), dial(t, s)
	say(t, slow, `{"version":"0.1"}`)
	io.WriteString(slow, `{"command":"slow"}`)
	say(t, other, `{"version":"0.1"}`)
	if got := say(t, other, `{"command":"uptime"}`); got != `{"message":0,"return":"OK"}` {
		t.Errorf("got %q", got)
	}
	close(gate)
	if got := say(t, slow, ""); got != `{"message":"done","return":"OK"}` {
		t.Errorf("got %q", got)
	}
}

func TestSocketFile(t *testing.T) {
	s := open(t)
	st, err := os.Stat(s.Path())
	if err != nil || st.Mode().Perm() != 0o660 || st.Mode()&os.ModeSocket == 0 {
		t.Errorf("socket is %v, %v, want mode 0660", st.Mode(), err)
	}
	if es, _ := os.ReadDir(filepath.Dir(s.Path())); len(es) != 1 {
		t.Errorf("beside the socket there is something: %v", es)
	}
	if _, err := Listen(Config{Path: s.Path(), UID: -1, GID: -1}); err == nil || !strings.Contains(err.Error(), "ctl --socket "+s.Path()+" -c shutdown") {
		t.Errorf("a second server gives %v, want what to do", err)
	}
	if got := say(t, dial(t, s), `{"version":"0.1"}`); got != `{"return":"OK"}` {
		t.Errorf("the first server then says %q", got)
	}
	stale := s.Path() + "2"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen(Config{Path: stale, UID: -1, GID: -1})
	if err != nil {
		t.Fatalf("a socket without a server is not replaced: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(stale); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	file := s.Path() + "3"
	os.WriteFile(file, []byte("mine"), 0o600)
	if _, err := Listen(Config{Path: file, UID: -1, GID: -1}); err == nil {
		t.Error("a plain file was replaced")
	}
	if _, err := Listen(Config{Path: "/tmp/" + strings.Repeat("x", 110), UID: -1, GID: -1}); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("a long path gives %v", err)
	}
	if err := os.Remove(s.Path()); err != nil {
		t.Fatal(err)
	}
	other, err := Listen(Config{Path: s.Path(), UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s.Close()
	if _, err := os.Lstat(s.Path()); err != nil {
		t.Error("a server removed the socket of another one")
	}
}

func TestClient(t *testing.T) {
	ended := make(chan struct{})
	s := open(t, Command{Name: "shutdown", Run: func(Args) Reply { return OK("Closing Suricata") }, Then: func() { close(ended) }},
		Command{Name: "long", Run: func(Args) Reply { return OK(strings.Repeat("long ", 1<<18)) }})
	c, err := Dial(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, _ := Parse("conf-get vars.a b")
	if a, err := c.Do(r); err != nil || !a.OK || string(a.Message) != `"vars.a b"` || string(a.Raw) != `{"message":"vars.a b","return":"OK"}` {
		t.Errorf("got %s %v", a.Raw, err)
	}
	if a, err := c.Do(Request{Command: "sing"}); err != nil || a.OK {
		t.Errorf("got %s %v", a.Raw, err)
	}
	if a, err := c.Do(Request{Command: "long"}); err != nil || len(a.Message) != 5<<18+2 {
		t.Errorf("a long reply has %d bytes, %v", len(a.Message), err)
	}
	if a, err := c.Do(Request{Command: "shutdown"}); err != nil || !a.OK {
		t.Errorf("got %s %v", a.Raw, err)
	}
	<-ended
	s.Close()
	if _, err := c.Do(Request{Command: "uptime"}); err == nil {
		t.Error("a closed server answers")
	}
	if _, err := Dial(s.Path()); err == nil || !strings.Contains(err.Error(), "is the engine running") {
		t.Errorf("no socket gives %v", err)
	}
}

// The words and their order are those of suricatasc.
func TestParse(t *testing.T) {
	tests := []struct{ line, want string }{
		{"uptime", `{"command":"uptime"}`},
		{"  uptime ", `{"command":"uptime"}`},
		{"iface-stat eth0", `{"command":"iface-stat","arguments":{"iface":"eth0"}}`},
		{"pcap-file /a /b", `{"command":"pcap-file","arguments":{"filename":"/a","output-dir":"/b"}}`},
		{"pcap-file /a /b 3 true 0", `{"command":"pcap-file","arguments":{"continuous":true,"delete-when-done":false,"filename":"/a","output-dir":"/b","tenant":3}}`},
		{"pcap-file-continuous /a /b 0 true", `{"command":"pcap-file-continuous","arguments":{"continuous":true,"delete-when-done":true,"filename":"/a","output-dir":"/b","tenant":0}}`},
		{"pcap-file-continuous /a /b true 4", `{"command":"pcap-file-continuous","arguments":{"continuous":true,"filename":"/a","output-dir":"/b","tenant":4}}`},
		{"register-tenant-handler 1 vlan 1000", `{"command":"register-tenant-handler","arguments":{"hargs":1000,"htype":"vlan","id":1}}`},
		{"register-tenant-handler 1 pcap", `{"command":"register-tenant-handler","arguments":{"htype":"pcap","id":1}}`},
		{"reload-tenant 5", `{"command":"reload-tenant","arguments":{"id":5}}`},
		{"add-hostbit 1.2.3.4 bit 60", `{"command":"add-hostbit","arguments":{"expire":60,"hostbit":"bit","ipaddress":"1.2.3.4"}}`},
		{"dataset-add s string a b  c", `{"command":"dataset-add","arguments":{"datavalue":"a b  c","setname":"s","settype":"string"}}`},
		{"memcap-set flow 10mb", `{"command":"memcap-set","arguments":{"config":"flow","memcap":"10mb"}}`},
		{"get-flow-stats-by-id 1234567890123", `{"command":"get-flow-stats-by-id","arguments":{"flow_id":1234567890123}}`},
		{"something-new", `{"command":"something-new"}`},
		{"", "no command"},
		{"iface-stat", "iface-stat: iface is missing: iface-stat <iface>"},
		{"uptime now", "uptime: too many arguments: uptime"},
		{"pcap-file /a /b 1 2 3 4 5 6", "pcap-file: continuous is true or false, not \"2\""},
		{"unregister-tenant x", "unregister-tenant: id is not a whole number: \"x\""},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			r, err := Parse(tt.line)
			b, _ := json.Marshal(r)
			got := string(b)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				c, err := Dial(s.Path())
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 {
					if a, err := c.Do(Request{Command: "uptime"}); err != nil || !a.OK {
						t.Errorf("%s %v", a.Raw, err)
					}
				}
				c.Close()
			}
		})
	}
	wg.Wait()
}

// FuzzServer sends anything: the server must answer another client afterwards.
func FuzzServer(f *testing.F) {
	for _, s := range []string{`{"version":"0.2"}` + "\n" + `{"command":"uptime"}` + "\n", `{"version":"0.1"}{"command":"conf-get","arguments":{"variable":"a"}}`,
		`{"version":"0.2"}` + "\n" + `{"command":"number","arguments":{"id":1e3}}` + "\n", `{"version":1}`, "\n\n", `[`, `{"version":"0.2"}[[[[`, "\xff\xfe"} {
		f.Add([]byte(s))
	}
	s := open(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := dial(t, s)
		c.Write(b)
		c.(*net.UnixConn).CloseWrite()
		r := bufio.NewScanner(c)
		r.Buffer(nil, 1<<20)
		v2 := strings.Contains(string(b), "0.2") && !strings.Contains(string(b), "0.1")
		for r.Scan() {
			if v2 && !json.Valid(r.Bytes()) {
				t.Errorf("%q is answered %q", b, r.Bytes())
			}
		}
		other, err := Dial(s.Path())
		if err != nil {
			t.Fatalf("after %q: %v", b, err)
		}
		defer other.Close()
		if a, err := other.Do(Request{Command: "uptime"}); err != nil || !a.OK {
			t.Errorf("after %q: %s %v", b, a.Raw, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"uptime", "pcap-file a b 1 true false 3 4", "dataset-add a b c d", "conf-get", "\t \n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := Parse(line)
		if err != nil {
			return
		}
		if r.Command == "" || strings.ContainsAny(r.Command, " \t") {
			t.Errorf("%q is the command %q", line, r.Command)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
