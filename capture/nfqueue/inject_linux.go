package nfqueue

import (
	"errors"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// injector sends packets that this host makes up, such as resets.
type injector struct {
	fd4, fd6 int
	err      error // why it cannot
	to4      unix.SockaddrInet4
	to6      unix.SockaddrInet6
}

func (i *injector) open(o *Options, log capture.Log) {
	i.fd4, i.fd6 = -1, -1
	if i.fd4, i.err = rawSocket(unix.AF_INET, o); i.err == nil {
		if i.fd6, i.err = rawSocket(unix.AF_INET6, o); i.err == unix.EAFNOSUPPORT {
			i.err = nil
		}
	}
	if i.err != nil && log != nil {
		log.Warnf("cannot send packets, so that reject is only a drop: %v", i.err)
	}
}

// rawSocket opens a socket for whole IP packets. In mode repeat they carry the mark, so that they are not judged in their turn.
func rawSocket(family int, o *Options) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return -1, err
	}
	if o.Mode == ModeRepeat {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(o.RepeatMark&o.RepeatMask))
	}
	return fd, nil
}

// send sends an IP packet by its destination address.
func (i *injector) send(b []byte) error {
	switch {
	case i.err != nil:
		return i.err
	case len(b) >= 20 && b[0]>>4 == 4:
		copy(i.to4.Addr[:], b[16:20])
		return unix.Sendto(i.fd4, b, 0, &i.to4)
	case len(b) >= 40 && b[0]>>4 == 6 && i.fd6 >= 0:
		copy(i.to6.Addr[:], b[24:40])
		return unix.Sendto(i.fd6, b, 0, &i.to6)
	}
	return errors.New("not an IP packet")
}

func (i *injector) close() error {
	var err error
	for _, fd := range []*int{&i.fd4, &i.fd6} {
		if *fd >= 0 {
			err = errors.Join(err, unix.Close(*fd))
			*fd = -1
		}
	}
	return err
}
