package detect_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"sentinel/detect"
	"sentinel/detect/dataset"
	"sentinel/stream/app"
)

// Alerts show what a set of JSON has for the value, under the name that the rule gives (user guide, dataset with JSON).
func TestDatasetContext(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hosts.json": `{"list":[{"host":"evil.com","year":2005},{"host":"worse.com"}]}`,
		"src.json":   "{\"ip\":\"192.168.1.1\",\"test\":\"success\"}\n",
		"plain.lst":  "ZXZpbC5jb20=\n", // evil.com
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config()
	cfg.Datasets, cfg.RulePath = dataset.New(dataset.Config{}), dir
	const hosts = `hosts,type string,load hosts.json,format json,array_key list,value_key host`
	n := newConn(6, 1234, 80, "http1")
	w := worker(load(t, cfg, `alert http1 any any -> any any (http.host; dataset:isset,`+hosts+`,context_key bad_host; ip.src; dataset:isset,src,type ip,load src.json,format ndjson,context_key src_ip,value_key ip; sid:1;)
alert http1 any any -> any any (http.host; dataset:isnotset,`+hosts+`,context_key bad_host; sid:2;)
alert http1 any any -> any any (http.host; content:"www."; startswith; dataset:isset,`+hosts+`,context_key bad_host,match subdomain; sid:3;)
alert http1 any any -> any any (http.host; dotprefix; content:"www"; dataset:isset,`+hosts+`,context_key bad_host,match subdomain; sid:4;)
alert http1 any any -> any any (http.host; dataset:isset,plain,type string,load plain.lst,format csv; sid:5;)
alert http1 any any -> any any (http.host; dataset:isset,`+hosts+`,context_key bad_host; http.uri; content:"/never"; sid:6;)`), n)
	for i, c := range []struct {
		host string
		want map[uint32]map[string]string
	}{
		{"evil.com", map[uint32]map[string]string{
			1: {"src_ip": `{"ip":"192.168.1.1","test":"success"}`, "bad_host": `{"host":"evil.com","year":2005}`},
			5: nil}},
		{"good.com", map[uint32]map[string]string{2: nil}},
		{"worse.com", map[uint32]map[string]string{1: {"src_ip": `{"ip":"192.168.1.1","test":"success"}`, "bad_host": `{"host":"worse.com"}`}}},
		{"www.evil.com", map[uint32]map[string]string{2: nil}}, // ".evil.com" is what would be looked for
	} {
		tx := n.tx(uint64(i) + 1)
		tx.b["http.host"], tx.b["http.uri"] = c.host, "/"
		tx.Progress[app.ToServer] = atComplete
		got := map[uint32]map[string]string{}
		for _, a := range w.Inspect(n.unit(app.ToServer, "")) {
			var m map[string]string
			for _, v := range a.Context {
				if m == nil {
					m = map[string]string{}
				}
				if !v.JSON {
					t.Errorf("%s is no JSON", v.Name)
				}
				m[v.Name] = string(v.Value)
			}
			got[a.Rule.SID] = m
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.host, got, c.want)
		}
	}
}

// Two transactions of one packet each get what was found for them.
func TestDatasetContextOfTransactions(t *testing.T) {
	cfg := config()
	cfg.Datasets, cfg.RulePath = dataset.New(dataset.Config{}), t.TempDir()
	if err := os.WriteFile(filepath.Join(cfg.RulePath, "h"), []byte("{\"host\":\"a\"}\n{\"host\":\"b\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newConn(6, 1234, 80, "http1")
	w := worker(load(t, cfg, `alert http1 any any -> any any (http.host; dataset:isset,h,type string,load h,format ndjson,value_key host,context_key c; sid:1;)`), n)
	for i, host := range []string{"a", "b"} {
		tx := n.tx(uint64(i) + 1)
		tx.b["http.host"] = host
		tx.Progress[app.ToServer] = atComplete
	}
	got := map[uint64]string{}
	for _, a := range w.Inspect(n.unit(app.ToServer, "")) {
		if len(a.Context) != 1 {
			t.Fatalf("%+v", a.Context)
		}
		got[a.TxID] = string(a.Context[0].Value)
	}
	if want := map[uint64]string{1: `{"host":"a"}`, 2: `{"host":"b"}`}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDatasetErrors(t *testing.T) {
	for _, c := range []struct{ option, want string }{
		{`dataset:set,x,type string,format json,context_key c,value_key v`, "json format is not supported for 'set' command"},
		{`dataset:unset,x,type string,format ndjson,context_key c,value_key v`, "json format is not supported for 'unset' command"},
		{`dataset:isset,x,type string,state s,format ndjson,context_key c,value_key v`, "'save' or 'state'"},
		{`dataset:isset,x,type string,load s,format ndjson,value_key v`, "needs a 'context_key'"},
		{`dataset:isset,x,type string,load s,format ndjson,context_key v`, "needs a 'value_key'"},
		{`dataset:isset,x,type string,load s,format xml`, "unknown format xml"},
		{`dataset:isset,x,type string,load s,format json,format json`, "'format' can only appear once"},
		{`dataset:isset,x,type string,load s,format json,context_key a-b,value_key v`, "alphanumeric"},
		{`dataset:isset,x,type string,load s,format json,context_key a,value_key`, "is empty"},
		{`dataset:isset,x,type string,load s,format json,context_key a,value_key v,remove_key yes`, "takes no value"},
		{`dataset:isset,x,type string,load s,format json,context_key a,value_key aaaaaaaaaabbbbbbbbbbccccccccccdd`, "longer than 31"},
		{`dataset:isset,x,type string,match prefix`, "the only one is subdomain"},
		{`dataset:set,x,type string,match subdomain`, "only supports isset/isnotset"},
		{`dataset:isset,x,type ip,match subdomain`, "only supports type string"},
		{`dataset:isset,x,type string,load none,format json,context_key a,value_key v`, "cannot read"},
		{`datarep:x,>,5,type string,load s,format json`, "csv"},
	} {
		t.Run(c.option, func(t *testing.T) {
			refusedBy(t, func() detect.Config {
				cfg := config()
				cfg.Datasets = dataset.New(dataset.Config{DataDir: t.TempDir()})
				return cfg
			}(), `alert http1 any any -> any any (http.host; `+c.option+`; sid:1;)`, c.want)
		})
	}
}
