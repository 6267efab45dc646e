package daemon

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Notifier tells the service manager how the process is, in the protocol of sd_notify(3). All methods are safe on nil, which
// stands for a process that no manager wants to hear from. They never wait, and what cannot be told is not.
type Notifier struct {
	conn  *net.UnixConn
	every time.Duration // of the watchdog; 0 = there is none
}

// NewNotifier connects to the manager that the environment names, and takes its variables out of the environment, so that no child
// speaks for this process. It returns nil without one.
func NewNotifier() *Notifier {
	addr := os.Getenv("NOTIFY_SOCKET")
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid := os.Getenv("WATCHDOG_PID")
	for _, v := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(v)
	}
	if addr == "" || addr[0] != '/' && addr[0] != '@' {
		return nil
	}
	conn, derr := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: addr, Net: "unixgram"})
	if derr != nil {
		return nil
	}
	n := &Notifier{conn: conn}
	if err == nil && usec > 0 && usec < int64(24*time.Hour/time.Microsecond) && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.every = time.Duration(usec) * time.Microsecond
	}
	return n
}

func (n *Notifier) send(lines ...string) {
	if n == nil {
		return
	}
	_ = n.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = n.conn.Write([]byte(strings.Join(lines, "\n")))
}

// Ready says that the process is up, or again after Reloading, and what it does.
func (n *Notifier) Ready(status string) {
	n.send("READY=1", fmt.Sprintf("MAINPID=%d", os.Getpid()), statusLine(status))
}

// Reloading says that the configuration is read again. Ready ends it.
func (n *Notifier) Reloading(status string) {
	n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic()), statusLine(status))
}

// Stopping says that the process is about to end.
func (n *Notifier) Stopping(status string) { n.send("STOPPING=1", statusLine(status)) }

// Status says what the process does.
func (n *Notifier) Status(status string) { n.send(statusLine(status)) }

func statusLine(s string) string { return "STATUS=" + strings.ReplaceAll(s, "\n", " ") }

// Watchdog keeps the manager's watchdog quiet for as long as alive reports true. The result ends that; the manager then ends the
// process if it asked for a watchdog.
func (n *Notifier) Watchdog(alive func() bool) (stop func()) {
	if n == nil || n.every <= 0 {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(max(n.every/3, time.Millisecond))
		defer t.Stop()
		for {
			if alive() {
				n.send("WATCHDOG=1")
			}
			select {
			case <-quit:
				return
			case <-t.C:
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
