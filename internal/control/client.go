package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// maxReply bounds a reply, in bytes.
const maxReply = 64 << 20

// Client is a connection to a server. It belongs to one goroutine.
type Client struct {
	conn net.Conn
	in   *bufio.Reader
}

// Dial connects to the engine that answers on a socket.
func Dial(path string) (*Client, error) {
	conn, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = errors.New("there is no such socket: is the engine running, and unix-command enabled?")
		case errors.Is(err, syscall.ECONNREFUSED):
			err = errors.New("nobody answers: the engine has ended")
		case errors.Is(err, fs.ErrPermission):
			err = errors.New("permission denied: be the user or in the group that owns the socket")
		}
		return nil, fmt.Errorf("cannot connect to %s: %w", path, err)
	}
	c := &Client{conn: conn, in: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(patience))
	b, err := c.exchange([]byte(`{"version":"0.2"}`))
	var r wire
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil && r.Return != "OK" {
		err = fmt.Errorf("refused: %v", r.Message)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot talk to %s: %w", path, err)
	}
	return c, conn.SetDeadline(time.Time{})
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) exchange(b []byte) ([]byte, error) {
	if _, err := c.conn.Write(append(b, '\n')); err != nil {
		return nil, err
	}
	var line []byte
	for {
		part, err := c.in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line[:len(line)-1], nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("the engine has closed the connection: %w", err)
		}
		if len(line) > maxReply {
			return nil, errors.New("the reply is too long")
		}
	}
}

// Answer is a reply as it came.
type Answer struct {
	Raw     []byte // one JSON object
	Message json.RawMessage
	OK      bool
}

// Do sends a command and waits for its reply, as long as it takes.
func (c *Client) Do(r Request) (Answer, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return Answer{}, err
	}
	raw, err := c.exchange(b)
	if err != nil {
		return Answer{}, err
	}
	var m struct {
		Message json.RawMessage `json:"message"`
		Return  string          `json:"return"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return Answer{}, fmt.Errorf("the reply is not JSON: %w", err)
	}
	return Answer{raw, m.Message, m.Return == "OK"}, nil
}

// Commands asks which commands the engine answers.
func (c *Client) Commands() ([]string, error) {
	a, err := c.Do(Request{Command: "command-list"})
	if err != nil {
		return nil, err
	}
	var list struct {
		Commands []string `json:"commands"`
	}
	return list.Commands, json.Unmarshal(a.Message, &list)
}
