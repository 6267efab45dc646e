package sentinel

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sentinel/internal/control"
)

// memcaps are the bounds of memory that can be changed while the engine runs. Streams' are shared by all workers and change at
// once; tables of workers are told between two batches.
type memcaps struct {
	mu     sync.Mutex
	flow   atomic.Int64
	defrag atomic.Int64
}

// memcap is one of them.
type memcap struct {
	name      string
	value     func(e *Engine) uint64 // 0 = unlimited
	used      func(e *Engine) uint64 // nil = not known
	set       func(e *Engine, n uint64)
	unlimited bool // 0 is allowed
}

// memcapList lists the memcaps in the order of the reference. Those without set bound nothing here: the protocols' memory is
// bounded by flow and by transaction.
var memcapList = []memcap{
	{"stream", func(e *Engine) uint64 { return uint64(e.set.tcp.Sessions.Limit()) },
		func(e *Engine) uint64 { return uint64(e.set.tcp.Sessions.Used()) },
		func(e *Engine, n uint64) { e.set.tcp.Sessions.SetLimit(int64(n)) }, true},
	{"stream-reassembly", func(e *Engine) uint64 { return uint64(e.set.tcp.Reassembly.Limit()) },
		func(e *Engine) uint64 { return uint64(e.set.tcp.Reassembly.Used()) },
		func(e *Engine, n uint64) { e.set.tcp.Reassembly.SetLimit(int64(n)) }, true},
	{"flow", func(e *Engine) uint64 { return uint64(e.set.caps.flow.Load()) },
		func(e *Engine) uint64 { return e.active().Counters()["flow.memuse"] },
		func(e *Engine, n uint64) { e.set.caps.flow.Store(int64(n)); _ = e.active().ask((*worker).capMemory) }, false},
	{name: "applayer-proto-http"},
	{name: "applayer-proto-http-byterange"},
	{"defrag", func(e *Engine) uint64 { return uint64(e.set.caps.defrag.Load()) },
		func(e *Engine) (n uint64) {
			_ = e.active().ask(func(w *worker) { n += uint64(w.frags.MemUse()) })
			return n
		},
		func(e *Engine, n uint64) { e.set.caps.defrag.Store(int64(n)); _ = e.active().ask((*worker).capMemory) }, false},
	{name: "ippair"},
	{"host", func(e *Engine) uint64 {
		if e.shared == nil {
			return 0
		}
		return e.shared.HostMemcap()
	}, func(e *Engine) uint64 {
		if e.shared == nil {
			return 0
		}
		return e.shared.HostMemuse()
	}, func(e *Engine, n uint64) {
		if e.shared != nil {
			e.shared.SetHostMemcap(n)
		}
	}, false},
	{name: "ftp"},
}

// capMemory takes over memcaps that were changed.
func (w *worker) capMemory() {
	w.stream.Table().SetMemcap(w.e.set.caps.flow.Load())
	w.frags.SetMemcap(int(w.e.set.caps.defrag.Load()))
}

const noMemcap = "Memcap value not found. Use 'memcap-list' to show all"

func memcapText(n uint64) string {
	switch {
	case n == 0:
		return "unlimited"
	case n>>30 != 0:
		return strconv.FormatUint(n>>30, 10) + "gb"
	case n>>20 != 0:
		return strconv.FormatUint(n>>20, 10) + "mb"
	}
	return strconv.FormatUint(n>>10, 10) + "kb"
}

// parseMemcap reads a size: digits, perhaps a fraction, and kb, mb or gb.
func parseMemcap(s string) (uint64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	unit := float64(1)
	for _, u := range []struct {
		suffix string
		unit   float64
	}{{"kb", 1 << 10}, {"kib", 1 << 10}, {"mb", 1 << 20}, {"mib", 1 << 20}, {"gb", 1 << 30}, {"gib", 1 << 30}} {
		if t, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = strings.TrimSpace(t), u.unit
			break
		}
	}
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if v *= unit; err != nil || v > 1<<50 {
		return 0, false
	}
	return uint64(v), true
}

func (m *memcap) now(e *Engine) uint64 {
	if m.value == nil {
		return 0
	}
	return m.value(e)
}

func (x *controller) setMemcap(a control.Args) control.Reply {
	name, ok := a.Text("config")
	if !ok {
		return control.NOK("memcap key is not a string")
	}
	text, ok := a.Text("memcap")
	if !ok {
		return control.NOK("memcap value is not a string")
	}
	n, ok := parseMemcap(text)
	if !ok {
		return control.NOK("error parsing memcap specified, value not changed")
	}
	x.e.set.caps.mu.Lock()
	defer x.e.set.caps.mu.Unlock()
	for i := range memcapList {
		m := &memcapList[i]
		if m.name != name {
			continue
		}
		if m.set == nil {
			return control.NOK(fmt.Sprintf("memcap value for '%s' cannot be changed: this engine has no limit of that name", name))
		}
		if n == 0 && !m.unlimited {
			return control.NOK(fmt.Sprintf("Unlimited value is not allowed for '%s'", name))
		}
		if used := m.used(x.e); n != 0 && used >= n {
			return control.NOK(fmt.Sprintf("memcap value specified for '%s' is less than the memory in use: %s", name, memcapText(used)))
		}
		m.set(x.e, n)
		note := ""
		if n == 0 {
			note = "(unlimited)"
		}
		return control.OK(fmt.Sprintf("memcap value for '%s' updated: %d %s", name, n, note))
	}
	return control.NOK(noMemcap)
}

func (x *controller) showMemcap(a control.Args) control.Reply {
	name, ok := a.Text("config")
	if !ok {
		return control.NOK("memcap name is not a string")
	}
	for i := range memcapList {
		if m := &memcapList[i]; m.name == name {
			return control.OK(struct {
				Value string `json:"value"`
			}{memcapText(m.now(x.e))})
		}
	}
	return control.NOK(noMemcap)
}

func (x *controller) listMemcaps() control.Reply {
	type entry struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var out []entry
	for i := range memcapList {
		out = append(out, entry{memcapList[i].name, memcapText(memcapList[i].now(x.e))})
	}
	return control.OK(out)
}
