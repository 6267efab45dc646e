package nfqueue

import (
	"golang.org/x/sys/unix"
)

// overruns reads what the kernel says of a queue. The file stays open: it is that of the network namespace in which the source was
// opened, whoever asks.
type overruns struct {
	fd    int // -1 = there is no such file
	queue uint16
	port  uint32
	seen  uint32 // the kernel's count when it was read last
	known bool   // the file tells of the queue
	total uint64
	buf   [16 << 10]byte
}

func openOverruns(queue uint16, port uint32) *overruns {
	fd, err := unix.Open("/proc/thread-self/net/netfilter/nfnetlink_queue", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	return &overruns{fd: fd, queue: queue, port: port}
}

// read returns how many packets were lost because the queue or the socket was full.
func (o *overruns) read() uint64 {
	if o.fd < 0 {
		return o.total
	}
	n := 0
	for n < len(o.buf) {
		m, err := unix.Pread(o.fd, o.buf[n:], int64(n))
		if err != nil || m <= 0 {
			break
		}
		n += m
	}
	if lost, ok := parseOverruns(o.buf[:n], o.queue, o.port); ok {
		o.total += uint64(lost - o.seen) // 32 bits, which wrap
		o.seen, o.known = lost, true
	}
	return o.total
}

// taken reports whether another program reads a queue.
func taken(queue uint16) bool {
	o := openOverruns(queue, 0)
	defer o.close()
	o.read()
	return o.known
}

func (o *overruns) close() error {
	if o.fd < 0 {
		return nil
	}
	fd := o.fd
	o.fd = -1
	return unix.Close(fd)
}
