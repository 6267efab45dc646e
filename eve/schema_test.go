package eve_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sentinel/eve"
)

// schema checks values against the parts of JSON Schema that the events' schema uses.
type schema struct{ root map[string]any }

func (s *schema) check(v any, n map[string]any, path string) (errs []string) {
	for depth := 0; n["$ref"] != nil && depth < 16; depth++ {
		var at any = s.root
		for key := range strings.SplitSeq(strings.TrimPrefix(n["$ref"].(string), "#/"), "/") {
			at = at.(map[string]any)[key]
		}
		n = at.(map[string]any)
	}
	bad := func(format string, args ...any) { errs = append(errs, path+": "+fmt.Sprintf(format, args...)) }
	kind := ""
	switch x := v.(type) {
	case map[string]any:
		kind = "object"
	case []any:
		kind = "array"
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		if kind = "number"; x == float64(int64(x)) {
			kind = "integer"
		}
	}
	if want := n["type"]; want != nil {
		list, ok := want.([]any)
		if !ok {
			list = []any{want}
		}
		if !slices.Contains(list, any(kind)) && !(kind == "integer" && slices.Contains(list, any("number"))) {
			bad("is %s, not %v", kind, want)
			return errs
		}
	}
	if enum, ok := n["enum"].([]any); ok && !slices.Contains(enum, v) {
		bad("%v is not allowed", v)
	}
	switch x := v.(type) {
	case map[string]any:
		props, _ := n["properties"].(map[string]any)
		required, _ := n["required"].([]any)
		for _, key := range required {
			if x[key.(string)] == nil {
				bad("lacks %s", key)
			}
		}
		for key, member := range x {
			if p, ok := props[key].(map[string]any); ok {
				errs = append(errs, s.check(member, p, path+"."+key)...)
			} else if n["additionalProperties"] == false && n["patternProperties"] == nil {
				bad("has %s, which is unknown", key)
			}
		}
	case []any:
		if low, ok := n["minItems"].(float64); ok && float64(len(x)) < low {
			bad("has too few items")
		}
		if items, ok := n["items"].(map[string]any); ok {
			for _, item := range x {
				errs = append(errs, s.check(item, items, path+"[]")...)
			}
		}
	}
	return errs
}

// TestSchema holds the events of all captures against the reference's schema.
func TestSchema(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "conformance", "schema.json"))
	if err != nil {
		t.Skip("the schema is not in this repository: ", err)
	}
	var s schema
	if err := json.Unmarshal(b, &s.root); err != nil {
		t.Fatal(err)
	}
	captures, err := filepath.Glob("../qa/pcaps/*.pcap")
	if err != nil || len(captures) == 0 {
		t.Fatal("no captures: ", err)
	}
	root := tree(t, string(read(t, "testdata/events.yaml")))
	for _, path := range captures {
		for _, ips := range []bool{false, true} {
			out, got := collect(t, "", func(o *eve.Options) { o.Root, o.IPS = root, ips })
			e := newEngine(t, out, root, ips, finder(meta(t, map[bool]string{false: "events.rules", true: "ips.rules"}[ips]), ips))
			e.file(filepath.Base(path))
			seen := map[string]bool{}
			for _, event := range events(t, got) {
				for _, err := range s.check(event, s.root, text(event["event_type"])) {
					if !seen[err] {
						t.Errorf("%s: %s", filepath.Base(path), err)
					}
					seen[err] = true
				}
			}
		}
	}
}
