package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Bounds on what clients can make the server do.
const (
	maxClients  = 64               // beyond that the client that has been idle longest is let go
	maxMessage  = 64 << 10         // bytes of one message
	patience    = 10 * time.Second // for the rest of a message once it has begun, for the handshake, and for taking a reply
	lastMoments = 5 * time.Second  // for commands under way when the server is closed
	maxPath     = 107              // bytes of a socket's path, a limit of the system
)

// Command is one that the server answers. Its functions are called from any goroutine, several at a time.
type Command struct {
	Name string
	Args bool // it takes arguments, which must be an object then
	Run  func(Args) Reply
	// Then is called when the reply is on its way; nil = nothing.
	Then func()
}

// Config says what a Server is made of.
type Config struct {
	Path     string
	UID, GID int // owners of the socket file; -1 = as it comes
	Commands []Command
	// Warn is told of what the operator should know; nil = nobody.
	Warn func(text string)
}

// Server answers commands on a socket until it is closed.
type Server struct {
	conf     Config
	listener *net.UnixListener
	file     os.FileInfo // of the socket
	commands map[string]*Command

	mu      sync.Mutex
	clients map[*client]bool
	closed  bool
	wg      sync.WaitGroup
}

// Listen starts to answer. The socket file appears when commands are answered, with mode 0660; one that nobody answers any
// more is replaced.
func Listen(c Config) (*Server, error) {
	if len(c.Path) > maxPath {
		return nil, fmt.Errorf("cannot make the control socket %s: the path has more than %d characters, use a shorter one", c.Path, maxPath)
	}
	if err := vacate(c.Path); err != nil {
		return nil, err
	}
	s := &Server{conf: c, commands: map[string]*Command{}, clients: map[*client]bool{}}
	for i := range c.Commands {
		s.commands[c.Commands[i].Name] = &c.Commands[i]
	}
	if err := s.bind(); err != nil {
		return nil, fmt.Errorf("cannot make the control socket %s: %w", c.Path, err)
	}
	return s, nil
}

// vacate makes sure that nothing is at a path: a socket without a server goes.
func vacate(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot make the control socket: %w", err)
	case st.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("cannot make the control socket: %s is there and is no socket: remove it, or choose another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	// A server whose queue is full, or whose socket we may not use, lives.
	if err == nil || errors.Is(err, syscall.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the control socket %s is in use by a running engine: end that (sentinel ctl --socket %s -c shutdown), "+
			"or choose another path for this one (unix-command.filename, --unix-socket=PATH)", path, path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot replace the control socket that nobody answers: %w", err)
	}
	return nil
}

// bind makes the socket under a name of its own and gives it its name when it is ready.
func (s *Server) bind() error {
	path := s.conf.Path
	tmp := filepath.Join(filepath.Dir(path), ".c"+strconv.Itoa(os.Getpid()))
	if len(tmp) > maxPath {
		tmp = path
	}
	if tmp != path {
		_ = os.Remove(tmp) // of a process with our number that died
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return errors.Unwrap(err)
	}
	l.SetUnlinkOnClose(false)
	s.listener = l
	fail := func(err error) error {
		l.Close()
		_ = os.Remove(tmp)
		return err
	}
	if s.conf.UID >= 0 || s.conf.GID >= 0 {
		if err := os.Chown(tmp, s.conf.UID, s.conf.GID); err != nil {
			return fail(err)
		}
	}
	if err := os.Chmod(tmp, 0o660); err != nil {
		return fail(err)
	}
	if s.file, err = os.Lstat(tmp); err != nil {
		return fail(err)
	}
	s.wg.Add(1)
	go s.accept()
	if tmp != path {
		if err := os.Rename(tmp, path); err != nil {
			return fail(err)
		}
	}
	return nil
}

// Path is where the socket is.
func (s *Server) Path() string { return s.conf.Path }

// Close ends the server: commands under way get a moment to end, then all clients are let go and the file is removed.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for c := range s.clients {
		if !c.busy {
			c.conn.Close()
		}
	}
	s.mu.Unlock()
	err := s.listener.Close()
	if st, serr := os.Lstat(s.conf.Path); serr == nil && os.SameFile(st, s.file) {
		err = errors.Join(err, os.Remove(s.conf.Path))
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(lastMoments):
		s.mu.Lock()
		for c := range s.clients {
			c.conn.Close()
		}
		s.mu.Unlock()
	}
	return err
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors
			time.Sleep(100 * time.Millisecond)
			continue
		}
		c := &client{s: s, conn: conn, since: time.Now()}
		if !s.admit(c) {
			conn.Close()
			continue
		}
		go func() {
			defer s.wg.Done()
			defer s.leave(c)
			c.serve()
		}()
	}
}

// admit makes room for a client: when there are too many, the one that has been idle longest goes.
func (s *Server) admit(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(s.clients) >= maxClients {
		var idle *client
		for x := range s.clients {
			if !x.busy && (idle == nil || x.since.Before(idle.since)) {
				idle = x
			}
		}
		if idle == nil {
			return false
		}
		idle.conn.Close()
		delete(s.clients, idle)
	}
	s.clients[c] = true
	s.wg.Add(1)
	return true
}

func (s *Server) leave(c *client) {
	c.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// begin marks a client as one whose command is under way. It is false when the server is ending.
func (s *Server) begin(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy = !s.closed
	return c.busy
}

func (s *Server) end(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy, c.since = false, time.Now()
	return !s.closed
}

// client is one connection.
type client struct {
	s       *Server
	conn    *net.UnixConn
	version int       // of the protocol: 1 or 2
	busy    bool      // under the server's lock, as since
	since   time.Time // since when it has been idle
	left    int       // bytes that the message may still have
	begun   bool      // some of the message is there
	until   time.Time // when it must be complete
}

var errLong = errors.New("the message is too long")

// Read implements io.Reader for the decoder: it bounds each message in size and, once it has begun, in time.
func (c *client) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLong
	}
	until := c.until
	if !c.begun && c.version != 0 {
		until = time.Time{}
	}
	if err := c.conn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	n, err := c.conn.Read(p[:min(len(p), c.left)])
	if !c.begun {
		for _, x := range p[:n] {
			if x != '\n' && x != '\r' && x != ' ' && x != '\t' {
				c.begun, c.until = true, time.Now().Add(patience)
				break
			}
		}
	}
	c.left -= n
	return n, err
}

// serve is a connection's life.
func (c *client) serve() {
	defer func() {
		if r := recover(); r != nil {
			c.s.warn(fmt.Sprintf("a bug was caught on the control socket: %v\n%s", r, debug.Stack()))
		}
	}()
	d := json.NewDecoder(c)
	d.UseNumber()
	for {
		c.left, c.begun = maxMessage, false
		if c.version == 0 {
			c.until = time.Now().Add(patience)
		}
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			var syntax *json.SyntaxError
			var kind *json.UnmarshalTypeError
			if c.version != 0 && (errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, errLong)) {
				c.send(NOK("not a command: " + err.Error()))
			}
			return
		}
		if c.version == 0 {
			if !c.greet(m) {
				return
			}
			continue
		}
		if !c.s.begin(c) {
			return
		}
		r, then := c.s.execute(m)
		sent := c.send(r)
		if then != nil {
			then()
		}
		if !c.s.end(c) || !sent {
			return
		}
	}
}

// greet agrees on the version of the protocol.
func (c *client) greet(m map[string]any) bool {
	switch m["version"] {
	case "0.1":
		c.version = 1
	case "0.2":
		c.version = 2
	default:
		c.version = 2
		c.send(NOK("unknown protocol version: say 0.1 or 0.2"))
		return false
	}
	return c.send(Reply{OK: true})
}

func (c *client) send(r Reply) bool {
	b := r.encode()
	if c.version > 1 {
		b = append(b, '\n')
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return false
	}
	_, err := c.conn.Write(b)
	return err == nil
}

func (s *Server) warn(text string) {
	if s.conf.Warn != nil {
		s.conf.Warn(text)
	}
}

// execute carries out a command. A bug in one is its reply.
func (s *Server) execute(m map[string]any) (r Reply, then func()) {
	name, ok := m["command"].(string)
	if !ok {
		return NOK("command is not a string"), nil
	}
	c := s.commands[name]
	if c == nil {
		return NOK("Unknown command"), nil
	}
	var a Args
	if c.Args {
		if a, ok = m["arguments"].(map[string]any); !ok {
			return NOK("arguments is not an object"), nil
		}
	}
	defer func() {
		if p := recover(); p != nil {
			s.warn(fmt.Sprintf("a bug was caught in the command %s: %v\n%s", name, p, debug.Stack()))
			r, then = NOK("internal error"), nil
		}
	}()
	return c.Run(a), c.Then
}
