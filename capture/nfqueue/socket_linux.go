package nfqueue

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// Commands and attributes of the configuration of a queue.
const (
	cfgCommand = 1
	cfgParams  = 2
	cfgLength  = 3
	cfgMask    = 4
	cfgFlags   = 5

	commandBind   = 1
	commandUnbind = 2

	copyPacket   = 2
	flagFailOpen = 1
)

// openSocket opens a netlink socket and binds the queue to it. Packets come as soon as it returns.
func openSocket(o *Options, log capture.Log) (fd int, port uint32, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, 0, fmt.Errorf("netlink socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
			fd = -1
		}
	}()
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fd, 0, fmt.Errorf("netlink socket: %w", err)
	}
	// Sends go to the kernel.
	if err = unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fd, 0, fmt.Errorf("netlink socket: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fd, 0, fmt.Errorf("netlink socket: %w", err)
	}
	if n, ok := name.(*unix.SockaddrNetlink); ok {
		port = n.Pid
	}
	buffers(fd, o, log)
	// A packet that finds the buffer full is lost either way, and counted by the queue. Errors need not come with the message they are for.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)

	if err = configure(fd, o.Queue, true, command(nil, commandBind)); err != nil {
		return fd, port, err
	}
	if o.FailOpen {
		b := attribute(nil, cfgMask, 4)
		b = binary.BigEndian.AppendUint32(b, flagFailOpen)
		b = attribute(b, cfgFlags, 4)
		b = binary.BigEndian.AppendUint32(b, flagFailOpen)
		switch err := configure(fd, o.Queue, true, b); {
		case err != nil && log != nil:
			log.Warnf("can't set fail-open mode of queue %d: %v", o.Queue, err)
		case log != nil:
			log.Infof("fail-open mode should be set on queue %d", o.Queue)
		}
	}
	if log != nil {
		log.Infof("setting queue length to %d", o.Length)
		log.Infof("setting nfnl bufsize to %d", o.Buffer)
	}
	b := binary.BigEndian.AppendUint32(attribute(nil, cfgLength, 4), o.Length)
	if err := configure(fd, o.Queue, true, b); err != nil && log != nil {
		log.Warnf("can't set the length of queue %d, the kernel's is 1024 packets: %v", o.Queue, err)
	}
	// The last one, and without an acknowledgement: packets may come before it.
	b = binary.BigEndian.AppendUint32(attribute(nil, cfgParams, 5), 0xffff)
	err = configure(fd, o.Queue, false, pad(append(b, copyPacket)))
	return fd, port, err
}

// buffers makes the socket's buffers large. Without the right to exceed the system's bounds it takes what it gets.
func buffers(fd int, o *Options, log capture.Log) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.Buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.Buffer)
		// The kernel tells twice what it was asked for.
		if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil && n/2 < o.Buffer && log != nil {
			log.Warnf("the receive buffer of queue %d has %d bytes instead of %d: set net.core.rmem_max, or bursts are lost", o.Queue, n/2, o.Buffer)
		}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*sendSize) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*sendSize)
	}
}

// command appends a command of the configuration.
func command(b []byte, c byte) []byte {
	return append(attribute(b, cfgCommand, 4), c, 0, 0, 0)
}

// configure sends attributes of the configuration. With wait it waits for the answer; no packet may come in between.
func configure(fd int, queue uint16, wait bool, attrs []byte) error {
	flags := uint16(0)
	if wait {
		flags = 4 // acknowledge
	}
	b := finish(append(message(nil, typeConfig, flags, queue), attrs...), 0)
	if err := unix.Send(fd, b, 0); err != nil {
		return err
	}
	var reply [256]byte
	how := unix.MSG_PEEK | unix.MSG_DONTWAIT
	if wait {
		how = 0
	}
	for {
		n, _, err := unix.Recvfrom(fd, reply[:], how)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN && !wait:
			return nil
		case err != nil:
			return err
		}
		typ, body, _, ok := next(reply[:n])
		if !ok || typ != typeError {
			return nil
		}
		if e := failure(body); e < 0 && e > -4096 {
			return unix.Errno(-e)
		}
		return nil
	}
}

// explain says what to do about an error.
func explain(queue uint16, err error) error {
	switch {
	case errors.Is(err, unix.EPERM) && taken(queue), errors.Is(err, unix.EBUSY): // the kernel's word is the same as that for a missing right
		return fmt.Errorf("cannot read queue %d: another program reads it, see /proc/net/netfilter/nfnetlink_queue: %w", queue, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("cannot read queue %d: needs the capability CAP_NET_ADMIN, or root: %w", queue, err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("cannot read queue %d: the kernel has no nfnetlink_queue, load it with: modprobe nfnetlink_queue: %w", queue, err)
	}
	return fmt.Errorf("cannot read queue %d: %w", queue, err)
}
