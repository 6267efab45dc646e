//go:build unix

package sink

import (
	"net"
	"syscall"
)

// writeNow writes what fits without waiting.
func writeNow(_ *net.UnixConn, raw syscall.RawConn, b []byte) (n int, err error) {
	rerr := raw.Write(func(fd uintptr) bool {
		for range 2 {
			if n, err = syscall.Write(int(fd), b); err != syscall.EINTR {
				break
			}
		}
		return true // done, whatever came out: do not wait
	})
	if err == nil {
		err = rerr
	}
	return n, err
}
