package detect_test

import (
	"reflect"
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/rules"
	"sentinel/stream/app"
)

// The reference compares how far a transaction is each time that it is looked at, and ties the rule to the state where there is no
// operator (user guide, app-layer-state; src/detect-app-layer-state.c).
func TestAppState(t *testing.T) {
	n := newConn(6, 1234, 80, "http1")
	w := worker(load(t, config(), `alert http1 any any -> any any (app-layer-state:request_headers; sid:1;)
alert http1 any any -> any any (app-layer-state:>request_line; sid:2;)
alert http1 any any -> any any (app-layer-state:<request_headers; sid:3;)
alert http1 any any -> any any (app-layer-state:>request_line; app-layer-state:<request_body; sid:4;)
alert http1 any any -> any any (http.uri; content:"/evil"; app-layer-state:>request_headers; sid:5;)
alert http1 any any -> any any (app-layer-state:>response_line; sid:6;)
alert http1 any any -> any any (flow:to_server,established; app-layer-state: > request_trailer; sid:7;)
alert http1 any any -> any any (http.uri; content:"/good"; app-layer-state:>request_line; sid:8;)
alert http1 any any -> any any (flow:to_client; app-layer-state:response_line; sid:9;)
alert http1 any any => any any (app-layer-state:>request_headers; app-layer-state:>response_headers; sid:10;)
alert http1 any any -> any any (app-layer-state:>request_complete; sid:11;)
alert http1 any any -> any any (app-layer-state:<request_started; sid:12;)
alert http1:request_headers any any -> any any (app-layer-state:request_headers; sid:13;)
alert http1 any any -> any any (flow:established; app-layer-state:>request_body; sid:14;)
alert http1 any any -> any any (app-layer-state:>request_body; flow:established; sid:15;)`), n)
	tx := n.tx(1)
	tx.b["http.uri"] = "/evil"
	step := func(d app.Dir, progress uint8, want ...uint32) {
		t.Helper()
		tx.Progress[d] = progress
		if got := sids(w.Inspect(n.unit(d, ""))); !reflect.DeepEqual(got, want) {
			t.Errorf("direction %d, progress %d: got %v, want %v", d, progress, got, want)
		}
	}
	step(app.ToServer, atLine, 3)
	step(app.ToServer, atLine)
	step(app.ToServer, atHeaders, 1, 2, 4, 13)
	step(app.ToServer, atBody, 1, 5, 13) // a hook is looked at once more when its state is over
	step(app.ToServer, atBody)
	step(app.ToServer, atComplete, 7, 14, 15)
	step(app.ToServer, atComplete)
	step(app.ToClient, atLine, 9)
	step(app.ToClient, atHeaders, 6, 9)
	step(app.ToClient, atComplete, 10, 14, 15) // without a direction the rule is for both, and the places of the states count
	step(app.ToClient, atComplete)
}

func TestAppStateErrors(t *testing.T) {
	for _, c := range []struct{ name, rule, want string }{
		{"no protocol", `alert tcp any any -> any any (app-layer-state:>request_line; sid:1;)`, "name it in the header of the rule"},
		{"two protocols", `alert http any any -> any any (app-layer-state:>request_line; sid:1;)`, "http1 instead of http"},
		{"unknown state", `alert http1 any any -> any any (app-layer-state:>request_liné; sid:1;)`, "those of requests are request_started, request_line,"},
		{"nothing", `alert http1 any any -> any any (app-layer-state; sid:1;)`, "app-layer-state"},
		{"operator only", `alert http1 any any -> any any (app-layer-state:>; sid:1;)`, "has no state \"\""},
		{"two operators", `alert http1 any any -> any any (app-layer-state:<>request_line; sid:1;)`, "more than one operator"},
		{"other direction", `alert http1 any any -> any any (flow:to_client; app-layer-state:request_line; sid:1;)`, "direction conflicts"},
		{"other direction, compared", `alert http1 any any -> any any (flow:to_client; app-layer-state:>request_line; sid:1;)`, "other direction than the rule"},
		{"both sides", `alert http1 any any -> any any (app-layer-state:>request_line; app-layer-state:>response_line; sid:1;)`, "both directions, =>"},
		{"two hooks", `alert http1:request_line any any -> any any (app-layer-state:request_headers; sid:1;)`, "tied to another state"},
		{"no hook for both directions", `alert http1 any any => any any (app-layer-state:request_headers; sid:1;)`, "direction conflicts"},
		{"buffer of another state", `alert http1 any any -> any any (app-layer-state:request_body; http.uri; content:"a"; sid:1;)`, "doesn't match hook"},
		{"another protocol's buffer", `alert http1 any any -> any any (app-layer-state:>request_line; dns.query; content:"a"; sid:1;)`, "conflicting alprotos"},
		{"with packets", `alert http1 any any -> any any (dsize:4; app-layer-state:>request_line; sid:1;)`, "packet specific matches"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.rule, c.want) })
	}
}

// refused checks that a rule is refused, with its place and a reason that says something.
func refused(t *testing.T, rule, want string) {
	t.Helper()
	refusedBy(t, config(), rule, want)
}

func refusedBy(t *testing.T, cfg detect.Config, rule, want string) {
	t.Helper()
	list, wrong := rules.Parse(strings.NewReader("\n"+rule), "test.rules")
	var errs []error
	for _, e := range wrong {
		errs = append(errs, e)
	}
	if len(errs) == 0 {
		_, errs = detect.Compile(cfg, list)
	}
	if len(errs) != 1 {
		t.Fatalf("errors %v, want one with %q", errs, want)
	}
	if text := errs[0].Error(); !strings.Contains(text, want) || !strings.HasPrefix(text, "test.rules:2:") {
		t.Errorf("%q, want it to begin with test.rules:2 and to have %q", text, want)
	}
}
