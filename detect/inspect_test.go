package detect_test

import (
	"reflect"
	"testing"

	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

func TestPacketContent(t *testing.T) {
	for _, c := range []struct {
		name, rules, payload string
		proto                uint8
		want                 []uint32
	}{
		{"udp content", `alert udp any any -> any 53 (content:"abc"; sid:1;)`, "xxabcxx", 17, []uint32{1}},
		{"udp other port", `alert udp any any -> any 54 (content:"abc"; sid:1;)`, "xxabcxx", 17, nil},
		{"nocase", `alert udp any any -> any any (content:"ABC"; nocase; sid:1;)`, "xxabcxx", 17, []uint32{1}},
		{"case", `alert udp any any -> any any (content:"ABC"; sid:1;)`, "xxabcxx", 17, nil},
		{"negated only", `alert udp any any -> any any (content:!"zzz"; sid:1;)`, "xxabcxx", 17, []uint32{1}},
		{"order by priority then sid", `alert udp any any -> any any (content:"abc"; sid:5; priority:2;)
alert udp any any -> any any (content:"abc"; sid:7; priority:1;)
alert udp any any -> any any (content:"abc"; sid:4; priority:2;)`, "xxabcxx", 17, []uint32{7, 4, 5}},
		{"home net source", `alert udp $HOME_NET any -> $EXTERNAL_NET any (content:"abc"; sid:1;)`, "abc", 17, []uint32{1}},
		{"external source", `alert udp $EXTERNAL_NET any -> $HOME_NET any (content:"abc"; sid:1;)`, "abc", 17, nil},
		{"bidirectional", `alert udp $EXTERNAL_NET any <> $HOME_NET any (content:"abc"; sid:1;)`, "abc", 17, []uint32{1}},
		{"to client only", `alert udp any any -> any any (flow:to_client; content:"abc"; sid:1;)`, "abc", 17, nil},
		{"dsize", `alert udp any any -> any any (dsize:3; content:"abc"; sid:1;)
alert udp any any -> any any (dsize:4; content:"abc"; sid:2;)`, "abc", 17, []uint32{1}},
		{"pass silences", `alert udp any any -> any any (content:"abc"; sid:1;)
pass udp any any -> any any (content:"abc"; sid:2;)`, "abc", 17, nil},
		{"ip only", `alert ip 192.168.1.1 any -> any any (sid:1;)
alert ip 192.168.1.2 any -> any any (sid:2;)
alert ip any any -> 8.8.8.0/24 any (sid:3;)`, "", 17, []uint32{1, 3}},
		{"flowbits", `alert udp any any -> any any (content:"abc"; flowbits:isset,x; sid:1;)
alert udp any any -> any any (content:"abc"; flowbits:set,x; flowbits:noalert; sid:2;)`, "abc", 17, []uint32{1}},
		{"pcre", `alert udp any any -> any any (content:"abc"; pcre:"/b.x+$/"; sid:1;)`, "xxabcxx", 17, []uint32{1}},
		{"byte test", `alert udp any any -> any any (content:"ab"; byte_test:1,=,99,0,relative; sid:1;)`, "xxabcxx", 17, []uint32{1}},
		{"tcp packet outside of the stream", `alert tcp any any -> any any (content:"abc"; sid:1;)`, "abc", 6, []uint32{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newConn(c.proto, 1234, 53, "")
			w := worker(load(t, config(), c.rules), n)
			if got := sids(w.Inspect(n.unit(flow.ToServer, c.payload))); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestStreamContent(t *testing.T) {
	n := newConn(6, 1234, 80, "")
	w := worker(load(t, config(), `alert tcp any any -> any any (content:"abcdef"; sid:1;)
alert tcp any any -> any any (content:"abc"; depth:3; sid:2;)
alert tcp-pkt any any -> any any (content:"def"; sid:3;)
alert tcp any any -> any any (flow:established,only_stream; content:"cd"; sid:4;)`), n)
	u := n.unit(flow.ToServer, "abc")
	u.Flags |= stream.InStream
	if got := sids(w.Inspect(u)); !reflect.DeepEqual(got, []uint32{2}) {
		t.Errorf("first segment: %v", got)
	}
	u = n.unit(flow.ToServer, "def")
	u.Flags |= stream.InStream
	n.raw = []byte("abcdef")
	if got := sids(w.Inspect(u)); !reflect.DeepEqual(got, []uint32{1, 2, 3, 4}) {
		t.Errorf("second segment: %v", got)
	}
}

func TestTransactions(t *testing.T) {
	n := newConn(6, 1234, 80, "http1")
	w := worker(load(t, config(), `alert http any any -> any any (http.uri; content:"/evil"; sid:1;)
alert http any any -> any any (http.uri; content:"/evil"; http.user_agent; content:"curl"; sid:2;)
alert http any any -> any any (content:"curl"; http_user_agent; sid:3;)
alert http any any -> any any (http.method; content:"GET"; http.uri; bsize:5; sid:4;)
alert http any any -> any any (http.referer; absent; sid:5;)
alert http any any -> any any (flow:to_server; app-layer-event:http.too_long; sid:6;)
alert http1:request_line any any -> any any (sid:7;)
alert http any any => any any (http.uri; content:"/evil"; http.stat_code; content:"200"; sid:8;)
alert dns any any -> any any (dns.query; content:"x"; sid:9;)`), n)
	tx := n.tx(1)
	step := func(d app.Dir, progress uint8, want ...uint32) {
		t.Helper()
		tx.Progress[d] = progress
		if got := sids(w.Inspect(n.unit(d, ""))); !reflect.DeepEqual(got, want) {
			t.Errorf("progress %d: got %v, want %v", progress, got, want)
		}
	}
	tx.b["http.uri"] = "/evil"
	tx.b["http.method"] = "GET"
	step(app.ToServer, atLine, 1, 4, 7)
	tx.b["http.user_agent"] = "curl/7"
	step(app.ToServer, atHeaders, 2, 3, 7) // a hook is looked at once more when its state is over, as the reference does
	tx.Events.Set(1)
	step(app.ToServer, atComplete, 5, 6)
	step(app.ToServer, atComplete)
	tx.b["http.stat_code"] = "200"
	step(app.ToClient, atLine, 8)
	step(app.ToClient, atComplete)
}
