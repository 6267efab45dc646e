package detect_test

import (
	"reflect"
	"testing"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream/flow"
)

// What expressions capture is there for rules that come later: those that write variables come before those that read them (user guide,
// rules internals).
func TestCapturedVariables(t *testing.T) {
	const (
		byFlow  = `alert tcp any any -> any any (content:"USER"; pcre:"/USER (?P<flow_name>\w+)/"; sid:1;)`
		byPkt   = `alert tcp any any -> any any (content:"USER"; pcre:"/USER (?P<pkt_name>\w+)/"; sid:1;)`
		listed  = `alert tcp any any -> any any (content:"USER"; pcre:"/(USER) (\w+)/, flow:verb, pkt:name"; sid:1;)`
		pair    = `alert tcp any any -> any any (content:"USER"; pcre:"/(USER) (\w+)/, pkt:key, pkt:value"; sid:1;)`
		failing = `alert tcp any any -> any any (content:"USER"; pcre:"/USER (?P<flow_name>\w+)/"; ttl:1; sid:1;)`
	)
	for _, c := range []struct {
		name, writer, reader string
		want                 [2][]uint32 // of "USER alice", and then "more"
	}{
		{"flow variable", byFlow, `flowvar:name,"alice"`, [2][]uint32{{1, 2}, {2}}},
		{"part of it", byFlow, `flowvar:name,lic`, [2][]uint32{{1, 2}, {2}}},
		{"hexadecimal", byFlow, `flowvar:name,"|61|l"`, [2][]uint32{{1, 2}, {2}}},
		{"blanks", byFlow, `flowvar: name , "alice"`, [2][]uint32{{1, 2}, {2}}},
		{"longer than the value", byFlow, `flowvar:name,"alice2"`, [2][]uint32{{1}, nil}},
		{"case counts", byFlow, `flowvar:name,"Alice"`, [2][]uint32{{1}, nil}},
		{"other name", byFlow, `flowvar:names,"alice"`, [2][]uint32{{1}, nil}},
		{"other kind", byFlow, `pktvar:name,"alice"`, [2][]uint32{{1}, nil}},
		{"packet variable", byPkt, `pktvar:name,"alice"`, [2][]uint32{{1, 2}, nil}},
		{"packet variable of the flow", byPkt, `flowvar:name,"alice"`, [2][]uint32{{1}, nil}},
		{"list, flow", listed, `flowvar:verb,"USER"`, [2][]uint32{{1, 2}, {2}}},
		{"list, packet", listed, `pktvar:name,"alice"`, [2][]uint32{{1, 2}, nil}},
		{"a captured key is no name", pair, `pktvar:USER,"alice"`, [2][]uint32{{1}, nil}},
		{"the rule did not match", failing, `flowvar:name,"alice"`, [2][]uint32{nil, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newConn(6, 1234, 21, "")
			// The reader is first by number, and by priority.
			w := worker(load(t, config(), `alert tcp any any -> any any (`+c.reader+`; priority:1; sid:2;)`+"\n"+c.writer), n)
			for i, payload := range []string{"USER alice", "more"} {
				if got := sids(w.Inspect(n.unit(flow.ToServer, payload))); !reflect.DeepEqual(got, c.want[i]) {
					t.Errorf("%q: got %v, want %v", payload, got, c.want[i])
				}
			}
		})
	}
}

// A rule that fails after its expression captured leaves nothing behind for the next one.
func TestCapturesOfFailedRules(t *testing.T) {
	n := newConn(6, 1234, 21, "")
	w := worker(load(t, config(), `alert tcp any any -> any any (content:"USER"; pcre:"/USER (?P<flow_name>\w+)/"; ttl:1; sid:1;)
alert ip any any -> 8.8.8.8 any (sid:2;)`), n)
	w.Inspect(n.unit(flow.ToClient, "USER alice"))
	if got := sids(w.Inspect(n.unit(flow.ToServer, "USER alice"))); !reflect.DeepEqual(got, []uint32{2}) {
		t.Errorf("got %v, want the rule on addresses only", got)
	}
	if v := w.FlowVariables(&n.f, nil); len(v) != 0 {
		t.Errorf("the flow has variables: %+v", v)
	}
}

// Transforms apply to buffers of the packet as to others.
func TestPacketTransforms(t *testing.T) {
	n := newConn(17, 1234, 53, "")
	w := worker(load(t, config(), `alert udp any any -> any any (ip.src; to_md5; content:"|ae 87 0d 72|"; startswith; sid:1;)
alert udp any any -> any any (ip.src; content:"|c0 a8 01 01|"; bsize:4; sid:2;)
alert udp any any -> any any (ip.src; to_md5; bsize:16; sid:3;)
alert udp any any -> any any (ip.src; xor:"ff"; content:"|3f 57 fe fe|"; sid:4;)
alert udp any any -> any any (ip.src; to_md5; content:"|c0 a8 01 01|"; sid:5;)`), n)
	// printf '\xc0\xa8\x01\x01' | md5sum
	if got := sids(w.Inspect(n.unit(flow.ToServer, "x"))); !reflect.DeepEqual(got, []uint32{1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}
}

// A rule marks packets that a netfilter queue lent, bits of several rules together; tunnels and packets of others stay as they are.
func TestMarks(t *testing.T) {
	const rules = `alert udp any any -> any any (content:"a"; nfq_set_mark:0x12/0xff; sid:1;)
alert udp any any -> any any (content:"b"; nfq_set_mark:0xf30/0x0f0; noalert; sid:2;)`
	for _, c := range []struct {
		name, payload string
		source        capture.Flags
		packet        decode.Flags
		mark, mask    uint32
	}{
		{"mark", "a", capture.Markable, 0, 0x12, 0xff},
		{"masked, without an alert", "b", capture.Markable, 0, 0x30, 0xf0},
		{"two rules", "ab", capture.Markable, 0, 0x32, 0xff},
		{"no match", "c", capture.Markable, 0, 0, 0},
		{"other source", "a", capture.Writable, 0, 0, 0},
		{"tunnel", "a", capture.Markable, decode.Tunneled, 0, 0},
		{"carrier", "a", capture.Markable, decode.IsTunnel, 0, 0},
		{"reassembled", "a", capture.Markable, decode.Tunneled | decode.Reassembled, 0x12, 0xff},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newConn(17, 1234, 53, "")
			w := worker(load(t, config(), rules), n)
			u := n.unit(flow.ToServer, c.payload)
			u.Packet.Frame, u.Packet.Flags = &capture.Frame{Flags: c.source}, u.Packet.Flags|c.packet
			w.Inspect(u)
			if f := u.Packet.Frame; f.Mark != c.mark || f.MarkMask != c.mask {
				t.Errorf("mark %#x/%#x, want %#x/%#x", f.Mark, f.MarkMask, c.mark, c.mask)
			}
			u = n.unit(flow.ToServer, c.payload)
			w.Inspect(u) // a packet without a frame
		})
	}
}

func TestVariableErrors(t *testing.T) {
	for _, c := range []struct{ option, want string }{
		{`flowvar:name`, "write NAME,"},
		{`pktvar:name`, "write NAME,"},
		{`flowvar:,"x"`, "is empty"},
		{`flowvar:name,""`, "value to look for is empty"},
		{`pktvar:name,`, "value to look for is empty"},
		{`flowvar:name,"x`, "quotes"},
		{`flowvar:name,"a,b"`, "|2c|"},
		{`flowvar:name,"|zz|"`, "hex"},
		{`flowvar:"name,x"`, "quotes"},
		{`flowvar`, "flowvar"},
		{`nfq_set_mark:4`, "MARK/MASK"},
		{`nfq_set_mark:0x1g/0xff`, "0x1g"},
		{`nfq_set_mark:1/`, "not a number"},
		{`nfq_set_mark:1/0x1ffffffff`, "not a number"},
		{`nfq_set_mark:ff/1`, "hexadecimal ones begin with 0x"},
		{`nfq_set_mark:-1/1`, "not a number"},
		{`nfq_set_mark:0b1/1`, "not a number"},
		{`nfq_set_mark:1_0/1`, "not a number"},
		{`nfq_set_mark`, "nfq_set_mark"},
	} {
		t.Run(c.option, func(t *testing.T) {
			refused(t, `alert tcp any any -> any any (`+c.option+`; sid:1;)`, c.want)
		})
	}
	load(t, config(), `alert tcp any any -> any any (nfq_set_mark:0x10/0xff; sid:1;)
alert tcp any any -> any any (nfq_set_mark:1/1; sid:2;)
alert tcp any any -> any any (nfq_set_mark: 017 / 0XFFFFFFFF; sid:3;)`)
}
