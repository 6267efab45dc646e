package eve

import (
	"bytes"
	"net/netip"
	"strings"

	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
)

// xff says what is done with the client's address that a proxy put into a request's header.
type xff struct {
	set       bool // configured, maybe as disabled: it overrides the eve-log's
	on        bool
	overwrite bool // the address takes the place of the proxy's; else it is added
	forward   bool // the first address of a chain counts, not the last
	header    string
}

func newXFF(n *conf.Node, warn func(string, ...any)) xff {
	x := xff{set: n.Exists(), header: "X-Forwarded-For"}
	if !n.Get("enabled").IsTrue() {
		return x
	}
	x.on = true
	switch mode := n.Get("mode").Str(""); {
	case strings.EqualFold(mode, "overwrite"):
		x.overwrite = true
	case !strings.EqualFold(mode, "extra-data"):
		warn("xff: mode %q is not extra-data or overwrite; using extra-data", mode)
	}
	switch d := n.Get("deployment").Str(""); {
	case strings.EqualFold(d, "forward"):
		x.forward = true
	case !strings.EqualFold(d, "reverse"):
		warn("xff: deployment %q is not reverse or forward; using reverse", d)
	}
	x.header = n.Get("header").Str(x.header)
	return x
}

// Lengths of a header's value that make sense for addresses.
const (
	xffMin = 7
	xffMax = 256
)

// forwarded returns the client's address that the requests name: of tx, or with tx nil of the flow's first transaction that
// has one. nil = there is none. The slice is valid until the next call.
func (w *Worker) forwarded(x *xff, s *stream.State, tx app.Transaction) []byte {
	if !x.on || s == nil || s.Proto == nil || s.Parser == nil || s.Proto.Name != "http1" {
		return nil
	}
	var get func(app.Transaction, app.Dir, int, *app.Scratch) ([]byte, bool)
	for i := range s.Proto.Buffers {
		if b := &s.Proto.Buffers[i]; b.Name == "http.request_header" && b.At.Dir == app.ToServer && b.Multi != nil {
			get = b.Multi
			break
		}
	}
	if get == nil {
		return nil
	}
	defer w.scratch.Reset()
	if tx != nil {
		return w.forwardedIn(x, tx, get)
	}
	for t, ok := s.Next(0); ok; t, ok = s.Next(t.Base().ID) {
		if ip := w.forwardedIn(x, t, get); ip != nil {
			return ip
		}
	}
	return nil
}

func (w *Worker) forwardedIn(x *xff, tx app.Transaction, get func(app.Transaction, app.Dir, int, *app.Scratch) ([]byte, bool)) []byte {
	for i := 0; i < 1024; i++ {
		line, ok := get(tx, app.ToServer, i, &w.scratch)
		if !ok {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && strings.EqualFold(string(name), x.header) {
			w.ip = append(w.ip[:0], bytes.TrimSpace(value)...)
			return pickForwarded(w.ip, x.forward)
		}
	}
	return nil
}

// pickForwarded takes an address out of the value of an X-Forwarded-For header, without its port.
func pickForwarded(v []byte, first bool) []byte {
	if len(v) < xffMin || len(v) >= xffMax {
		return nil
	}
	if first {
		if i := bytes.IndexByte(v, ','); i >= 0 {
			v = v[:i]
		}
	} else {
		v = v[bytes.LastIndexByte(v, ' ')+1:]
	}
	if len(v) == 0 {
		return nil
	}
	if v[0] == '[' {
		end := bytes.IndexByte(v, ']')
		if end < 0 {
			return nil
		}
		v = v[1:end]
	} else if bytes.Count(v, []byte(".")) == 3 && bytes.Count(v, []byte(":")) == 1 {
		v = v[:bytes.IndexByte(v, ':')]
	}
	if a, err := netip.ParseAddr(string(v)); err != nil || a.Zone() != "" {
		return nil
	}
	return v
}
