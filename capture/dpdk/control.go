//go:build dpdk && cgo

package dpdk

/*
#cgo pkg-config: libdpdk
#cgo CFLAGS: -O3 -Wall
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// Built reports whether this build can call libdpdk.
const Built = true

// environment is the environment layer of DPDK, of which a process has one. All that sets up runs on one thread, which the layer
// knows as its main one and which does nothing else.
type environment struct {
	mu    sync.Mutex // one set-up at a time
	work  chan func()
	args  []string // it was started with; nil = not yet
	eal   *EAL
	ports map[string]*port
	used  map[int]bool // cores that sources were placed on
	log   logTee
}

var env = environment{ports: map[string]*port{}, used: map[int]bool{}}

// do runs f on the control thread.
func (e *environment) do(f func()) {
	if e.work == nil {
		e.work = make(chan func())
		go func() {
			runtime.LockOSThread() // for good: the layer's thread-local data is here
			for f := range e.work {
				f()
			}
		}()
	}
	done := make(chan struct{})
	e.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// start starts the layer, once. Another start with the same parameters finds it running.
func (e *environment) start(t *capture.Target) error {
	eal, err := Arguments(t.Root)
	if err != nil {
		return err
	}
	e.log.to(t.Log)
	if e.args != nil {
		if !slices.Equal(e.args, eal.Args) {
			return errors.New("dpdk.eal-params have changed: DPDK starts once in a process, start the engine anew")
		}
		return nil
	}
	need := estimate(t)
	memory, err := checkMemory(os.DirFS("/"), eal, need, leftPages)
	if err != nil {
		return err
	}
	if memory != "" {
		t.Log.Infof("%s", memory)
	}
	mib := 0
	if eal.NoHuge {
		mib = need>>20*2 + 256 // it is only taken when it is used
	}
	line := append([]string{"sentinel"}, eal.complete(allowedCPUs(), mib)...)
	t.Log.Infof("%s: starting its environment layer with %s", C.GoString(C.sn_version()), strings.Join(line[1:], " "))
	write, err := e.log.open()
	if err != nil {
		return err
	}
	argv := make([]*C.char, len(line)+1)
	for i, a := range line {
		argv[i] = C.CString(a) // the layer keeps some of them
	}
	array := (**C.char)(C.calloc(C.size_t(len(argv)), C.size_t(unsafe.Sizeof(argv[0]))))
	copy(unsafe.Slice(array, len(argv)), argv)
	var r C.int
	e.do(func() { r = C.sn_eal_init(C.int(len(line)), array, C.int(write)) })
	if r != 0 {
		return fmt.Errorf("DPDK does not start: %w", ealError(r, eal))
	}
	e.args, e.eal = append([]string{}, eal.Args...), eal
	return nil
}

// ealError is a code of DPDK's with what it has logged, and what to do about it.
func ealError(r C.int, eal *EAL) error {
	var text [C.SN_TEXT]C.char
	C.sn_errors(&text[0], C.SN_TEXT)
	said := strings.Join(strings.FieldsFunc(C.GoString(&text[0]), func(r rune) bool { return r == '\n' }), "; ")
	err := errors.New(C.GoString(C.sn_strerror(r)))
	if said != "" {
		err = fmt.Errorf("%w (%s)", err, said)
	}
	if what := advice(said, eal); what != "" {
		err = fmt.Errorf("%w: %s", err, what)
	}
	return err
}

// advice is what to do about an error that DPDK has logged.
func advice(said string, eal *EAL) string {
	low := strings.ToLower(said)
	switch {
	case strings.Contains(low, "cannot create lock") || strings.Contains(low, "another primary"):
		return "another DPDK program runs with the same file-prefix: set another one in eal-params, or proc-type: secondary"
	case strings.Contains(low, "hugepage") || strings.Contains(low, "no free") || strings.Contains(low, "not enough memory"):
		return "free or reserve huge pages (sysctl vm.nr_hugepages=N), or set no-huge in eal-params"
	case strings.Contains(low, "permission denied") || os.Geteuid() != 0 && strings.Contains(low, "cannot"):
		return "run as root, or give the user rights on huge pages and VFIO"
	case strings.Contains(low, "vdev") || strings.Contains(low, "parse device") || strings.Contains(low, "failed to probe") || strings.Contains(low, "bus"):
		return "look at vdev, allow and block in eal-params"
	}
	return ""
}

// logTee takes the messages of DPDK to the log of who has opened a port last.
type logTee struct {
	mu  sync.Mutex
	log capture.Log
	fd  int
	on  bool
}

func (l *logTee) to(log capture.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if log != nil {
		l.log = log
	}
}

// open makes the pipe that DPDK logs into, and returns the end to write.
func (l *logTee) open() (int, error) {
	if l.on {
		return l.fd, nil
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("cannot make a pipe for DPDK's log: %w", err)
	}
	// Only the end that is written must not block.
	if err := unix.SetNonblock(p[1], true); err != nil {
		return -1, err
	}
	l.fd, l.on = p[1], true
	go func() {
		in := bufio.NewScanner(os.NewFile(uintptr(p[0]), "dpdk log"))
		for in.Scan() {
			l.line(in.Text())
		}
	}()
	return l.fd, nil
}

func (l *logTee) line(s string) {
	if len(s) < 2 {
		return
	}
	l.mu.Lock()
	log := l.log
	l.mu.Unlock()
	if log == nil {
		return
	}
	const notice = '6'
	if s[0] < notice {
		log.Warnf("%s", strings.TrimSpace(s[1:]))
	} else {
		log.Infof("%s", strings.TrimSpace(s[1:]))
	}
}

// port is a port of DPDK that sources read.
type port struct {
	name   string
	c      *C.sn_port
	limits Limits
	plan   *Plan
	set    *Settings
	lanes  int // open sources
	base   C.sn_stats
	socks  []int // packet sockets that count losses
	cpus   []int // that its sources were placed on
	peer   *port // that its frames are sent on to, once that is open

	mu    sync.Mutex // guards what follows, against statistics from other goroutines
	last  C.sn_stats
	sum   C.sn_stats
	lost  uint64 // by the sockets
	asked time.Time
	open  bool
}

// find returns the port of a name and what it says of itself.
func (e *environment) find(name string) (id C.uint16_t, l Limits, err error) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	var info C.sn_info
	var r C.int
	e.do(func() {
		if r = C.sn_port_find(n, &id); r == 0 {
			r = C.sn_port_info(id, &info)
		}
	})
	if r != 0 {
		what := "bind it to vfio-pci (dpdk-devbind.py), and look at allow and block in eal-params"
		if !strings.Contains(name, ":") {
			what = "add it as a vdev to eal-params"
		}
		return 0, l, fmt.Errorf("DPDK has no port %s: %s", name, what)
	}
	l = Limits{
		Driver: C.GoString(&info.driver[0]), Socket: int(info.socket),
		RxQueues: int(info.max_rx_queues), TxQueues: int(info.max_tx_queues),
		RxMin: int(info.rx_min), RxMax: int(info.rx_max), TxMin: int(info.tx_min), TxMax: int(info.tx_max),
		MinMTU: int(info.min_mtu), MaxMTU: int(info.max_mtu),
		RxOffloads: uint64(info.rx_offloads), TxOffloads: uint64(info.tx_offloads), RSS: uint64(info.rss),
		KeySize: int(info.key), RedirectionSize: int(info.reta), Removable: info.removable != 0,
	}
	if l.Driver == "net_bonding" {
		members := e.eal.members(name)
		l.Bond = len(members)
		for i, m := range members {
			_, ml, err := e.find(m)
			if err != nil {
				return 0, l, fmt.Errorf("a member of %s: %w", name, err)
			}
			if i > 0 && ml.Driver != l.Driver {
				return 0, l, fmt.Errorf("the members of %s have different drivers, %s and %s: they must be alike", name, l.Driver, ml.Driver)
			}
			l.Driver = ml.Driver
		}
	}
	return id, l, nil
}
