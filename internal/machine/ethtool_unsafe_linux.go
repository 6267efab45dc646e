package machine

import (
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of ethtool (include/uapi/linux/ethtool.h). Structures are in the host's byte order.
const (
	getDriver      = 0x03
	getRing        = 0x10
	getStrings     = 0x1b
	getHashFields  = 0x29
	getRings       = 0x2d
	getSetInfo     = 0x37
	getFeatures    = 0x3a
	getChannels    = 0x3c
	getRSS         = 0x46
	getSettings    = 0x01
	stringFeatures = 4
	stringHash     = 7
	stringLen      = 32
	tcp4           = 1 // flow type
)

// Bounds of what a driver may say.
const (
	maxFeatures = 512
	maxTable    = 1 << 16
	maxKey      = 1 << 10
)

// ethtool is a socket to ask through.
type ethtool struct {
	fd   int
	name string
}

// ifreq is the kernel's struct ifreq with a pointer in its union.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// ask runs a command. b begins with its number, and holds the answer afterwards.
func (e *ethtool) ask(b []byte, command uint32) error {
	*(*uint32)(unsafe.Pointer(&b[0])) = command
	req := ifreq{data: unsafe.Pointer(&b[0])}
	copy(req.name[:unix.IFNAMSIZ-1], e.name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(e.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(b)
	if errno != 0 {
		return errno
	}
	return nil
}

// word reads number i of the 32-bit numbers that an answer consists of.
func word(b []byte, i int) uint32 {
	return *(*uint32)(unsafe.Pointer(&b[i*4]))
}

// buffer is aligned for numbers of 64 bits.
func buffer(n int) []byte {
	b := make([]uint64, n/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&b[0])), n)
}

func put(b []byte, i int, v uint32) { *(*uint32)(unsafe.Pointer(&b[i*4])) = v }

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// fill asks for all that ethtool knows.
func (e *ethtool) fill(f *Interface) {
	if b := buffer(196); e.ask(b, getDriver) == nil {
		if name := text(b[4:36]); name != "" {
			f.Driver = name
		}
		if fw := text(b[68:100]); fw != "N/A" {
			f.Firmware = fw
		}
		if bus := text(b[100:132]); f.Bus == "" && bus != "N/A" && strings.Count(bus, ":") == 2 {
			f.Bus = bus
		}
	}
	if b := buffer(36); e.ask(b, getRing) == nil {
		f.Ring = Ring{MaxRX: int(word(b, 1)), MaxTX: int(word(b, 4)), RX: int(word(b, 5)), TX: int(word(b, 8))}
	}
	if b := buffer(36); e.ask(b, getChannels) == nil {
		q := &f.Queues
		q.MaxRX, q.MaxTX, q.MaxCombined, q.Combined = int(word(b, 1)), int(word(b, 2)), int(word(b, 4)), int(word(b, 8))
		rx, tx := int(word(b, 5))+q.Combined, int(word(b, 6))+q.Combined
		if rx > 0 {
			q.RX = rx
		}
		if tx > 0 {
			q.TX = tx
		}
	} else if b := buffer(192); e.ask(b, getRings) == nil {
		if n := *(*uint64)(unsafe.Pointer(&b[8])); n > 0 && n < maxNumber {
			f.Queues.RX = int(n)
		}
	}
	if b := buffer(44); f.Speed < 0 && e.ask(b, getSettings) == nil {
		speed := uint32(*(*uint16)(unsafe.Pointer(&b[12]))) | uint32(*(*uint16)(unsafe.Pointer(&b[28])))<<16
		if speed > 0 && speed < 1<<31-1 && speed != 0xffff {
			f.Speed = int(speed)
		}
	}
	e.offloads(f)
	e.rss(f)
}

// strings reads a set of names.
func (e *ethtool) strings(set uint32) []string {
	b := buffer(24)
	*(*uint64)(unsafe.Pointer(&b[8])) = 1 << set
	if e.ask(b, getSetInfo) != nil || *(*uint64)(unsafe.Pointer(&b[8])) != 1<<set {
		return nil
	}
	n := int(word(b, 4))
	if n <= 0 || n > maxFeatures {
		return nil
	}
	b = buffer(12 + n*stringLen)
	put(b, 1, set)
	put(b, 2, uint32(n))
	if e.ask(b, getStrings) != nil {
		return nil
	}
	all := make([]string, n)
	for i := range all {
		all[i] = text(b[12+i*stringLen : 12+(i+1)*stringLen])
	}
	return all
}

// shortNames are ethtool -K's, by the kernel's.
var shortNames = map[string]string{
	"rx-gro": "gro", "rx-lro": "lro", "tx-generic-segmentation": "gso", "tx-tcp-segmentation": "tso", "rx-vlan-hw-parse": "rxvlan",
	"tx-vlan-hw-insert": "txvlan", "rx-hashing": "rxhash", "rx-ntuple-filter": "ntuple", "rx-checksum": "rx", "tx-scatter-gather": "sg",
	"rx-gro-hw": "rx-gro-hw", "rx-udp-gro-forwarding": "rx-udp-gro-forwarding", "rx-gro-list": "rx-gro-list",
}

func (e *ethtool) offloads(f *Interface) {
	names := e.strings(stringFeatures)
	if len(names) == 0 {
		return
	}
	blocks := (len(names) + 31) / 32
	b := buffer(8 + blocks*16)
	put(b, 1, uint32(blocks))
	if e.ask(b, getFeatures) != nil || int(word(b, 1)) < blocks {
		return
	}
	f.Offloads = map[string]Offload{}
	for i, name := range names {
		if name == "" {
			continue
		}
		at := 2 + i/32*4 // available, requested, active, never changed
		bit := uint32(1) << (i % 32)
		o := Offload{On: word(b, at+2)&bit != 0, Fixed: word(b, at)&bit == 0 || word(b, at+3)&bit != 0}
		if short, ok := shortNames[name]; ok {
			name = short
		}
		f.Offloads[name] = o
		if strings.HasPrefix(name, "tx-checksum-") && o.On { // ethtool -K calls all of them tx
			f.Offloads["tx"] = Offload{On: true, Fixed: o.Fixed && f.Offloads["tx"].Fixed}
		}
	}
}

func (e *ethtool) rss(f *Interface) {
	b := buffer(52)
	if e.ask(b, getRSS) != nil {
		return
	}
	table, key := int(word(b, 2)), int(word(b, 3))
	if table < 0 || key < 0 || table > maxTable || key > maxKey {
		return
	}
	const head = 13 * 4 // command, context, two sizes, function and transform, reserved
	b = buffer(head + table*4 + key)
	put(b, 2, uint32(table))
	put(b, 3, uint32(key))
	if e.ask(b, getRSS) != nil || int(word(b, 2)) != table || int(word(b, 3)) != key {
		return
	}
	r := &f.RSS
	r.Known = table > 0
	for i := range table {
		r.Table = append(r.Table, word(b, head/4+i))
	}
	hexed := hex.EncodeToString(b[head+table*4 : head+table*4+key])
	for i := 0; i+2 <= len(hexed); i += 2 {
		if i > 0 {
			r.Key += ":"
		}
		r.Key += hexed[i : i+2]
	}
	function, transform := b[16], b[17]
	for i, name := range e.strings(stringHash) {
		if i < 8 && function&(1<<i) != 0 {
			r.Function = name
		}
	}
	// Transform 1 sorts addresses and ports, or xors them, before they are hashed (Linux 6.8); 2 does so as well.
	if transform != 0 && transform != 0xff {
		r.Symmetric = true
	}
	fields := buffer(192)
	put(fields, 1, tcp4)
	if e.ask(fields, getHashFields) == nil {
		v := *(*uint64)(unsafe.Pointer(&fields[8]))
		for _, x := range []struct {
			bit  uint64
			name string
		}{{1 << 4, "s"}, {1 << 5, "d"}, {1 << 6, "f"}, {1 << 7, "n"}, {1 << 2, "v"}} {
			if v&x.bit != 0 {
				r.Fields += x.name
			}
		}
	}
}

// askEthtool completes an interface.
func askEthtool(f *Interface) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	(&ethtool{fd, f.Name}).fill(f)
	return nil
}
