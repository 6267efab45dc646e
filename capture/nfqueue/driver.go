package nfqueue

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sentinel/capture"
)

// Driver is the way of capturing that the configuration calls nfq. Its targets are queues: a number, or a range such as 0:3.
var Driver = capture.Driver{
	Name: "nfq", Section: "nfq", Doc: "queues of the Linux firewall (NFQUEUE), inline", Unnamed: true,
	Inline: func(*capture.Target) bool { return true },
	Open: func(t *capture.Target) ([]capture.Source, error) {
		list, err := Configure(t)
		if err != nil {
			return nil, err
		}
		return Open(list, t.Log)
	},
}

// Mode is what becomes of packets that are not dropped.
type Mode uint8

// The modes.
const (
	ModeAccept Mode = iota // leaves the table: no later rule of the chain sees the packet
	ModeRepeat             // gets a mark and goes through the chain once more
	ModeRoute              // goes on to another queue
)

// Options say how one queue is read.
type Options struct {
	Queue uint16 // its number
	Index uint16 // goes into Frame.Iface
	Mode  Mode
	// RepeatMark and RepeatMask are set by ModeRepeat; packets that carry the mark already are accepted unseen.
	RepeatMark, RepeatMask uint32
	// BypassMark and BypassMask are set on packets with the verdict Bypass, unless the mask is 0.
	BypassMark, BypassMask uint32
	RouteQueue             uint16 // of ModeRoute
	// Batch is how many packets one verdict may be for; 0 = no bound, 1 = each has its own.
	Batch int
	// FailOpen lets packets pass that find the queue full, or that are in it when the source is closed.
	FailOpen bool
	Length   uint32 // packets that may wait for a verdict; 0 = DefaultLength
	Buffer   int    // bytes of the socket's receive buffer; 0 = DefaultBuffer
}

// Defaults of a queue.
const (
	DefaultLength = 32768
	DefaultBuffer = 64 << 20
)

// maxQueues bounds a range: each queue has a thread.
const maxQueues = 1024

// maxBatch is the largest batchcount.
const maxBatch = 255

// Configure reads how the queues of a target are to be read. The error joins all that is wrong.
func Configure(t *capture.Target) ([]Options, error) {
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	section := t.Root.Get("nfq")
	number := func(key string, high int64) uint32 {
		n := section.Get(key)
		if v, _ := n.Value(); v == "" {
			return 0
		}
		v, err := n.IntIn(0, 0, high)
		fail(err)
		return uint32(v)
	}
	const word = 1<<32 - 1
	o := Options{Index: t.Index, FailOpen: section.Get("fail-open").Bool(false), RepeatMark: number("repeat-mark", word),
		RepeatMask: number("repeat-mask", word), BypassMark: number("bypass-mark", word), BypassMask: number("bypass-mask", word),
		RouteQueue: uint16(number("route-queue", 65535))}
	first, last, err := ParseQueues(t.Name)
	fail(err)
	mode := section.Get("mode")
	switch v := mode.Str("accept"); v {
	case "accept", "":
	case "repeat":
		o.Mode = ModeRepeat
		if o.RepeatMask == 0 && len(errs) == 0 {
			fail(fmt.Errorf("%s: nfq.mode repeat needs nfq.repeat-mark and a nfq.repeat-mask other than 0: without, every packet counts as judged and passes unseen",
				mode.Pos()))
		}
	case "route":
		o.Mode = ModeRoute
		if v, _ := section.Get("route-queue").Value(); v == "" {
			fail(fmt.Errorf("%s: nfq.mode route needs nfq.route-queue", mode.Pos()))
		} else if o.RouteQueue >= first && o.RouteQueue <= last && len(errs) == 0 {
			fail(fmt.Errorf("%s: packets from queue %d would go to queue %d and come again for ever", section.Get("route-queue").Pos(),
				o.RouteQueue, o.RouteQueue))
		}
	default:
		fail(fmt.Errorf("%s: unknown nfq.mode %q: use accept, repeat or route", mode.Pos(), v))
	}
	if o.Batch = int(number("batchcount", word)); o.Batch > maxBatch {
		if t.Log != nil {
			t.Log.Warnf("%s: nfq.batchcount cannot exceed %d", section.Get("batchcount").Pos(), maxBatch)
		}
		o.Batch = maxBatch
	}
	// As many as the engine may have in its hands, and room for bursts.
	if n := t.Root.Get("max-pending-packets"); n.Exists() {
		v, err := n.IntIn(1024, 1, 65535)
		fail(err)
		o.Length = max(DefaultLength, uint32(v)*4)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if t.FilterText() != "" && t.Log != nil {
		t.Log.Warnf("the capture filter has no effect on queue %s: let the firewall rule select", t.Name)
	}
	if t.Log != nil {
		switch o.Mode {
		case ModeAccept:
			t.Log.Infof("NFQ running in standard ACCEPT/DROP mode")
		case ModeRepeat:
			t.Log.Infof("NFQ running in REPEAT mode with mark %d/%d", o.RepeatMark, o.RepeatMask)
		case ModeRoute:
			t.Log.Infof("NFQ running in route mode with next queue %d", o.RouteQueue)
		}
	}
	list := make([]Options, 0, int(last-first)+1)
	for q := int(first); q <= int(last); q++ {
		o.Queue = uint16(q)
		list = append(list, o)
	}
	return list, nil
}

// ParseQueues reads a queue's number, or a range first:last.
func ParseQueues(s string) (first, last uint16, err error) {
	a, b, ranged := strings.Cut(s, ":")
	if !ranged {
		b = a
	}
	x, err1 := strconv.ParseUint(a, 10, 16)
	y, err2 := strconv.ParseUint(b, 10, 16)
	switch {
	case err1 != nil || err2 != nil:
		return 0, 0, fmt.Errorf("-q %s: name a queue from 0 to 65535, or a range such as 0:3", s)
	case x > y:
		return 0, 0, fmt.Errorf("-q %s: the first queue of a range is the lower one", s)
	case y-x >= maxQueues:
		return 0, 0, fmt.Errorf("-q %s: that is more than %d queues", s, maxQueues)
	}
	return uint16(x), uint16(y), nil
}
