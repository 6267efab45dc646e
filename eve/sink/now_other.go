//go:build !unix

package sink

import (
	"net"
	"syscall"
	"time"
)

// writeNow writes what fits with next to no waiting.
func writeNow(c *net.UnixConn, _ syscall.RawConn, b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond))
	return c.Write(b)
}
