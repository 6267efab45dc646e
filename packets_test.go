package sentinel

import (
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/rs/zerolog"

	"sentinel/capture"
	"sentinel/capture/sim"
)

// epoch is the time of the first packet of tests.
var epoch = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// at is a time some milliseconds after epoch, in nanoseconds.
func at(ms int) int64 { return epoch.Add(time.Duration(ms) * time.Millisecond).UnixNano() }

// ethernet serialises what is inside of an Ethernet frame.
func ethernet(t testing.TB, inner ...gopacket.SerializableLayer) []byte {
	t.Helper()
	all := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2},
		EthernetType: layers.EthernetTypeIPv4}}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(all, inner...)...)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func ipv4(src, dst string, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: netip.MustParseAddr(src).AsSlice(), DstIP: netip.MustParseAddr(dst).AsSlice()}
}

// datagramFrame is a UDP datagram in a frame.
func datagramFrame(t testing.TB, src string, sport int, dst string, dport int, payload string) []byte {
	t.Helper()
	ip := ipv4(src, dst, layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	_ = u.SetNetworkLayerForChecksum(ip)
	return ethernet(t, ip, u, gopacket.Payload(payload))
}

// vxlan wraps a frame.
func vxlan(t testing.TB, src, dst string, sport int, frame []byte) []byte {
	t.Helper()
	ip := ipv4(src, dst, layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: 4789}
	_ = u.SetNetworkLayerForChecksum(ip)
	return ethernet(t, ip, u, &layers.VXLAN{ValidIDFlag: true, VNI: 7}, gopacket.Payload(frame))
}

// session is a TCP connection under construction.
type session struct {
	t        testing.TB
	ip       [2]string
	port     [2]int
	seq      [2]uint32
	ms       int
	toServer bool
}

func newSession(t testing.TB, client string, cport int, server string, sport, ms int) *session {
	return &session{t: t, ip: [2]string{client, server}, port: [2]int{cport, sport}, seq: [2]uint32{1000, 5000}, ms: ms}
}

func (s *session) frame(from int, syn, fin bool, payload string) sim.Step {
	s.t.Helper()
	to := 1 - from
	ip := ipv4(s.ip[from], s.ip[to], layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: layers.TCPPort(s.port[from]), DstPort: layers.TCPPort(s.port[to]), Seq: s.seq[from], Ack: s.seq[to],
		SYN: syn, FIN: fin, ACK: !syn || from == 1, PSH: payload != "", Window: 65535}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	s.seq[from] += uint32(len(payload))
	if syn || fin {
		s.seq[from]++
	}
	s.ms++
	return sim.Packet(ethernet(s.t, ip, tcp, gopacket.Payload(payload)), at(s.ms))
}

// open is the handshake.
func (s *session) open() []sim.Step {
	return []sim.Step{s.frame(0, true, false, ""), s.frame(1, true, false, ""), s.frame(0, false, false, "")}
}

// say is data of the client (0) or the server (1), and the other side's acknowledgement.
func (s *session) say(from int, payload string) []sim.Step {
	return []sim.Step{s.frame(from, false, false, payload), s.frame(1-from, false, false, "")}
}

// close is the end of both directions.
func (s *session) close() []sim.Step {
	return []sim.Step{s.frame(0, false, true, ""), s.frame(1, false, true, ""), s.frame(0, false, false, "")}
}

// watch collects what an engine tells.
type watch struct {
	t      testing.TB
	mu     sync.Mutex
	events []event
	log    strings.Builder
	// block, if set, is called with each event before it is noted.
	block func(event)
}

// event is an EVE event, as far as tests look.
type event struct {
	Type  string `json:"event_type"`
	SrcIP string `json:"src_ip"`
	SPort int    `json:"src_port"`
	DPort int    `json:"dest_port"`
	App   string `json:"app_proto"`
	TxID  *int   `json:"tx_id"`
	Alert struct {
		SID    int    `json:"signature_id"`
		Action string `json:"action"`
	} `json:"alert"`
	Flow struct {
		ToServer int    `json:"pkts_toserver"`
		ToClient int    `json:"pkts_toclient"`
		Reason   string `json:"reason"`
	} `json:"flow"`
	HTTP struct {
		URL    string `json:"url"`
		Status int    `json:"status"`
	} `json:"http"`
	Line string `json:"-"`
}

func (w *watch) event(line []byte) {
	e := event{Line: string(line)}
	if err := json.Unmarshal(line, &e); err != nil {
		w.t.Errorf("%v: %s", err, line)
	}
	if w.block != nil {
		w.block(e)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// Write implements io.Writer, for the log: errors are kept.
func (w *watch) Write(b []byte) (int, error) {
	if !strings.Contains(string(b), `"level":"error"`) {
		return len(b), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

// logged reports whether the errors of the log have a text.
func (w *watch) logged(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.log.String(), text)
}

// of returns the events of a type.
func (w *watch) of(typ string) []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var l []event
	for _, e := range w.events {
		if e.Type == typ {
			l = append(l, e)
		}
	}
	return l
}

// sids counts alerts by signature.
func (w *watch) sids() map[int]int {
	m := map[int]int{}
	for _, e := range w.of("alert") {
		m[e.Alert.SID]++
	}
	return m
}

// engine makes an engine without files whose events the watch gets.
func (w *watch) engine(o Options) *Engine {
	w.t.Helper()
	o.NoLogs, o.NoRandom, o.OnEvent, o.Log, o.DataDir = true, true, w.event, zerolog.New(w), w.t.TempDir()
	if o.RuleFiles == nil {
		o.RuleFiles = []string{}
	}
	e, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { e.Close() })
	if l := e.Loaded(); l.Failed > 0 {
		w.t.Fatalf("rules: %v", l.Errors)
	}
	return e
}

// play runs a script and closes the engine. It returns the source, which found no fault with the engine.
func (w *watch) play(e *Engine, script ...sim.Step) *sim.Source {
	w.t.Helper()
	src := sim.New(script...)
	if err := e.Run(w.t.Context(), src); err != nil {
		w.t.Error(err)
	}
	if err := e.Close(); err != nil {
		w.t.Error(err)
	}
	if err := src.Err(); err != nil {
		w.t.Error(err)
	}
	if n := src.Outstanding(); n != 0 {
		w.t.Errorf("%d frames were not released", n)
	}
	return src
}

// dropped returns the numbers of the frames that were dropped, and fails the test if frames were not released in order of arrival.
func dropped(t testing.TB, src *sim.Source) []int {
	t.Helper()
	var l []int
	for i, v := range src.Verdicts() {
		if v.Token != uint64(i) {
			t.Fatalf("frame %d was released as number %d", v.Token, i)
		}
		if v.Verdict == capture.Drop {
			l = append(l, i)
		}
	}
	return l
}

// modes are the ways to run that must make no difference.
var modes = []struct {
	name    string
	mode    string
	workers int
}{{"single", "single", 1}, {"autofp", "autofp", 4}}
