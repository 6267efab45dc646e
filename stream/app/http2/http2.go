package http2

import (
	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
	"sentinel/stream/flow"
)

// Protocol describes HTTP/2.
func Protocol() *app.Protocol {
	return &app.Protocol{
		Name:      "http2",
		Aliases:   []string{"http"},
		EVE:       "http",
		AppProto:  "http2",
		Transport: app.TCP,
		// The rest of the preface may come in another segment.
		Patterns: []app.Pattern{{Transport: app.TCP, Dir: app.ToServer, Data: magic[:16], Nocase: true}},
		Ports:    []app.Probe{{Transport: app.TCP, Ports: "[80]", Dir: app.ToClient, Min: headerSize, Max: len(magic), Func: probe}},
		Setup:    setup,
		States: [2][]string{
			{"request_started", "request_headers", "request_data", "request_closed", "request_complete"},
			{"response_started", "response_headers", "response_data", "response_closed", "response_complete"},
		},
		Types:   []string{typeStream: "stream", typeGlobal: "global"},
		Events:  events,
		Frames:  []string{"hdr", "data", "pdu"},
		Buffers: buffers(),
		Numbers: numbers(),
		Matches: matches(),
		Log:     logTx,
	}
}

// probe knows a server by its first frame, which must be its settings.
func probe(b []byte, d app.Dir, _ *flow.Flow) (app.Verdict, app.Dir) {
	h, ok := parseHeader(b)
	switch {
	case !ok:
		return app.Unsure, d
	case h.reserved || h.length > 16384 || h.flags&0xfe != 0 || h.kind != frameSettings:
		return app.No, d
	}
	return app.Yes, d
}

func setup(s app.Settings) (func() app.Parser, error) {
	k := &kit{ranges: httprange.Open(s)}
	warn := func(n *conf.Node) {
		if s.Warn != nil {
			s.Warn("%s: %s: not a valid number", n.Pos(), n.Path())
		}
	}
	number := func(key string, def int) int {
		n := s.Section.Get(key)
		v, err := n.IntIn(int64(def), 0, 1<<31-1)
		if err != nil {
			warn(n)
			return def
		}
		return int(v)
	}
	k.conf = config{
		streams: number("max-streams", 4096), frames: number("max-frames", 65536),
		reassembly: number("max-reassembly-size", 102400), table: uint64(number("max-table-size", 65536)),
	}
	bomb := s.Section.Get("compression-bomb-limit")
	var err error
	if k.conf.bomb, err = bomb.Size(1 << 20); err != nil {
		warn(bomb)
		k.conf.bomb = 1 << 20
	}
	return func() app.Parser {
		p := &Parser{kit: k}
		p.Reset()
		return p
	}, nil
}
