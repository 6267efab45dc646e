package eve_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/eve"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// FuzzEvents holds that whatever is in a packet, a flow or a rule, each event is one line of valid JSON.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("\x45\x00\x00\x1c\x00\x00\x00\x00\x40\x11\x00\x00\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\xd2\x00\x35\x00\x08\x00\x00"), uint64(0), "msg", "key")
	f.Add([]byte("\x60\x00\x00\x00\x00\x08\x3a\x40"), ^uint64(0), "\xff\"\\\n", "\x00")
	f.Add([]byte("\x45\x00\x00\x20\x00\x00\x00\x00\x01\x02\x00\x00\xc0\x00\x02\x01\xe0\x00\x00\x19\xff\x00\x00\x00\x00\x00\x00\x00"), uint64(1), "", "")
	f.Add([]byte("\x45\x00\x00\x30\x00\x00\x00\x00\x40\x84\x00\x00\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\xd2\x00\x35\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x00\x04\x77\x00\x00\x04"), uint64(77), "x", "y")
	root := tree(f, `
outputs:
  - eve-log:
      enabled: yes
      ethernet: yes
      community-id: yes
      suricata-version: yes
      types:
        - alert: {payload: yes, payload-printable: yes, packet: yes, verdict: yes, tagged-packets: yes, metadata: {rule: {raw: yes, reference: yes}}}
        - drop: {alerts: yes, verdict: yes, flows: all}
        - anomaly: {types: {decode: yes, stream: yes}, packethdr: yes}
        - arp
        - flow
        - netflow
`)
	stack := decode.NewStack(decode.DefaultConfig())
	f.Fuzz(func(t *testing.T, frame []byte, seed uint64, msg, key string) {
		if len(frame) > 1<<16 {
			return
		}
		var got bytes.Buffer
		out, err := eve.Open(eve.Options{Registry: registry, Root: root, NoFiles: true, IPS: seed&1 != 0, OnEvent: func(line []byte) { got.Write(line) }})
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		w := out.NewWorker(0)
		links := []capture.LinkType{capture.LinkRaw, capture.LinkEthernet, capture.LinkSLL, capture.LinkNull}
		fr := capture.Frame{Data: frame, Time: int64(seed), Link: links[seed>>8%4]}
		n := stack.Decode(&fr)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], seed)
		fl := &flow.Flow{ID: seed & (1<<51 - 1), Start: int64(seed), Last: -int64(seed), Flags: flow.Flags(seed >> 3), Exception: uint32(seed),
			App: flow.ProtoID(b[0]), AppOrig: flow.ProtoID(b[1]), AppExpect: flow.ProtoID(b[2]), State: flow.State(b[3] % 5), Reason: flow.Reason(b[4])}
		fl.AppDir = [2]flow.ProtoID{flow.ProtoID(b[5]), flow.ProtoID(b[6])}
		fl.Pkts[1], fl.Bypassed[0].Pkts = seed>>60, seed>>62
		alert := []detect.Alert{{Action: rules.Action(b[1] % 9), Flags: detect.AlertFlags(b[2]) &^ detect.Suppressed, TxID: seed, Rule: &detect.Meta{
			Msg: msg, ClassText: key, Raw: key, Target: detect.Target(b[3] % 3), SID: uint32(seed),
			Metadata:   []detect.KeyValues{{Key: key, Values: []string{msg}}, {Key: msg}},
			References: []detect.Reference{{URL: msg}}}}}
		for i := range n {
			p := &stack.Packets[i]
			u := &stream.Unit{Packet: p, Now: p.Time, Count: seed, Dir: flow.Dir(seed & 1), Flags: stream.UnitFlags(seed >> 5),
				Action: stream.Action(seed >> 9), Reason: stream.DropReason(b[4]), LayerEvents: b[5] & (1<<stream.LayerEventCount - 1)}
			if p.IsIP() && seed&2 != 0 {
				fl.Key = flow.Key{Src: p.Src, Dst: p.Dst, SrcPort: p.SrcPort, DstPort: p.DstPort, Proto: p.Proto, IPVersion: p.IPVersion, VLAN: p.VLAN}
				u.Flow = fl
			}
			w.Packet(u, alert)
			if u.Flow != nil {
				w.FlowEnd(u.Flow, nil, nil)
			}
		}
		if got.Len() == 0 {
			t.Fatal("no event, not even the alert")
		}
		for line := range bytes.Lines(got.Bytes()) {
			if !json.Valid(line) {
				t.Fatalf("not valid: %s", line)
			}
		}
	})
}
