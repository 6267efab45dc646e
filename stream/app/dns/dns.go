package dns

import (
	"sync"

	"sentinel/stream/app"
	"sentinel/stream/flow"
)

const (
	protoTCP = 6
	done     = 1 // progress of a transaction, which is complete from the start
)

// Protocol describes DNS.
func Protocol() *app.Protocol {
	return &app.Protocol{
		Name:      "dns",
		Transport: app.UDP | app.TCP,
		Ports: []app.Probe{
			{Transport: app.UDP, Ports: "[53]", Dir: app.ToServer, Min: HeaderSize, Max: 1 << 16, Func: detectUDP},
			{Transport: app.UDP, Ports: "[53]", Dir: app.ToClient, Min: HeaderSize, Max: 1 << 16, Func: detectUDP},
			{Transport: app.TCP, Ports: "53", Dir: app.ToServer, Min: HeaderSize + 2, Max: 1 << 16, Func: detectTCP},
			{Transport: app.TCP, Ports: "53", Dir: app.ToClient, Min: HeaderSize + 2, Max: 1 << 16, Func: detectTCP},
		},
		Setup: setup,
		GapOK: true,
		States: [2][]string{
			{"request_started", "request_complete"},
			{"response_started", "response_complete"},
		},
		Events: []string{
			evMalformed: "malformed_data", evNotRequest: "not_request", evNotResponse: "not_response", evZFlag: "z_flag_set",
			evOpcode: "invalid_opcode", evNameTooLong: "name_too_long", evLoop: "infinite_loop", evLabels: "too_many_labels",
			evAdditionals: "invalid_additionals", evAuthorities: "invalid_authorities",
		},
		Frames:     []string{"pdu"},
		Buffers:    buffers(),
		Numbers:    numbers(),
		Log:        logTx,
		PrepareLog: prepareLog,
	}
}

func setup(app.Settings) (func() app.Parser, error) {
	p := &pool{}
	return func() app.Parser { return &parser{pool: p} }, nil
}

// probe reads a message of n bytes of which b is there. Of one that is not complete only the header is judged.
func probe(b []byte, n int) (app.Verdict, app.Dir) {
	if len(b) > n {
		b = b[:n]
	}
	var h Header
	if !h.parse(b) || !h.plausible(n) {
		return app.No, app.ToServer
	}
	if len(b) == n {
		switch wellFormed(b) {
		case Short:
			return app.Unsure, app.ToServer
		case Invalid:
			return app.No, app.ToServer
		}
	}
	if h.QR() {
		return app.Yes, app.ToClient
	}
	return app.Yes, app.ToServer
}

// probes are messages to try on. Each DNS exchange is usually a flow of its own, so that a probe is nothing rare.
var probes = sync.Pool{New: func() any { return &Message{} }}

// wellFormed reads the parts of a message that must be sound.
func wellFormed(b []byte) Outcome {
	m := probes.Get().(*Message)
	out := m.Parse(b)
	m.Reset()
	probes.Put(m)
	return out
}

func probeTCP(b []byte) (app.Verdict, app.Dir) {
	if len(b) < 2 {
		return app.Unsure, app.ToServer
	}
	return probe(b[2:], int(b[0])<<8|int(b[1]))
}

func detectUDP(b []byte, d app.Dir, _ *flow.Flow) (app.Verdict, app.Dir) {
	v, real := probe(b, len(b))
	if v != app.Yes { // a datagram does not grow
		return app.No, d
	}
	return v, real
}

func detectTCP(b []byte, d app.Dir, _ *flow.Flow) (app.Verdict, app.Dir) {
	if len(b) < HeaderSize+2 {
		return app.Unsure, d
	}
	v, real := probeTCP(b)
	if v != app.Yes {
		return app.No, d
	}
	return v, real
}
