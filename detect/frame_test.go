package detect_test

import (
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/rules"
	"sentinel/stream/app"
)

// What the keyword frame takes (Suricata user guide, rules, frame keyword; its own list of wrong rules).
func TestFrameKeyword(t *testing.T) {
	const request, response, stream = 1 << 0, 1 << 1, uint64(1) << app.StreamFrame
	for _, x := range []struct {
		name, rule string
		types      uint64 // of http1 that are looked at
		err        string
	}{
		{"long", `alert tcp any any -> any 80 (frame:http1.request; content:"a"; sid:1;)`, request, ""},
		{"of a protocol's alias", `alert http any any -> any any (frame:http1.response; content:"a"; sid:1;)`, response, ""},
		{"short", `alert http1 any any -> any any (frame:response; content:"a"; sid:1;)`, response, ""},
		{"any case", `alert http1 any any -> any any (frame:HTTP1.Request; content:"a"; sid:1;)`, request, ""},
		{"stream", `alert http1 any any -> any any (frame:stream; content:"a"; sid:1;)`, stream, ""},
		{"two", `alert http1 any any -> any any (frame:request; content:"a"; frame:response; content:"b"; sid:1;)`, request | response, ""},
		{"without content", `alert http1 any any -> any any (frame:request; bsize:9; sid:1;)`, request, ""},
		{"transform", `alert http1 any any -> any any (frame:request; to_lowercase; content:"a"; sid:1;)`, request, ""},
		{"no condition", `alert http1 any any -> any any (frame:request; sid:1;)`, 0, "didn't add matches"},
		{"no such frame", `alert http1 any any -> any any (frame:pdu; content:"a"; sid:1;)`, 0, "unknown frame"},
		{"short, no protocol", `alert tcp any any -> any any (frame:request; content:"a"; sid:1;)`, 0, "can't use shorthand notation"},
		{"http has none", `alert http any any -> any any (frame:request; content:"a"; sid:1;)`, 0, "unknown frame"},
		{"not a transport with frames", `alert icmp any any -> any any (frame:http1.request; content:"a"; sid:1;)`, 0, "only supported for TCP and UDP"},
		{"other protocol", `alert dns any any -> any any (frame:http1.request; content:"a"; sid:1;)`, 0, "mismatch with rule protocol"},
		{"with content of the payload", `alert http1 any any -> any any (content:"b"; frame:request; content:"a"; sid:1;)`, 0, "can't mix pure content"},
		{"with a buffer", `alert http1 any any -> any any (http.uri; content:"b"; frame:request; content:"a"; sid:1;)`, 0, "can't mix app-layer buffer"},
		{"with a packet's buffer", `alert http1 any any -> any any (tcp.hdr; content:"b"; frame:request; content:"a"; sid:1;)`, 0, "can't mix pkt buffer"},
		{"for both directions", `alert http1 any any => any any (frame:request; content:"a"; sid:1;)`, 0, "both directions"},
		{"absent", `alert http1 any any -> any any (frame:request; absent; sid:1;)`, 0, "absent"},
	} {
		t.Run(x.name, func(t *testing.T) {
			list, perrs := rules.Parse(strings.NewReader(x.rule), "test")
			if len(perrs) > 0 {
				t.Fatal(perrs)
			}
			rs, errs := detect.Compile(config(), list)
			if x.err != "" {
				if len(errs) == 0 || !strings.Contains(errs[0].Error(), x.err) {
					t.Fatalf("%v, want %q", errs, x.err)
				}
				return
			}
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for _, name := range []string{"http1", "dns"} {
				want := uint64(0)
				if name == "http1" {
					want = x.types
				}
				if got := rs.Frames(registry.ID(name)); got != want {
					t.Errorf("%s: frames %x, want %x", name, got, want)
				}
			}
			if ty := rs.TypeOf(0); ty != detect.TypeAppTx {
				t.Errorf("type %s", ty)
			}
		})
	}
}
