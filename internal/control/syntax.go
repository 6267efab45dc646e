package control

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// kind is what an argument is on the wire.
type kind uint8

const (
	text kind = iota
	number
	boolean
	fixed // true, whatever is written: the word may be left out
)

type argument struct {
	name     string
	kind     kind
	optional bool
}

// syntaxes are the commands that take arguments, in the order in which they are written behind the command.
var syntaxes = map[string][]argument{
	"pcap-file": {{name: "filename"}, {name: "output-dir"}, {"tenant", number, true}, {"continuous", boolean, true},
		{"delete-when-done", boolean, true}, {"delay", number, true}, {"poll-interval", number, true}},
	"pcap-file-continuous": {{name: "filename"}, {name: "output-dir"}, {"continuous", fixed, true}, {"tenant", number, true},
		{"delete-when-done", boolean, true}, {"delay", number, true}, {"poll-interval", number, true}},
	"iface-stat":                {{name: "iface"}},
	"conf-get":                  {{name: "variable"}},
	"register-tenant-handler":   {{name: "id", kind: number}, {name: "htype"}, {"hargs", number, true}},
	"unregister-tenant-handler": {{name: "id", kind: number}, {name: "htype"}, {"hargs", number, true}},
	"register-tenant":           {{name: "id", kind: number}, {name: "filename"}},
	"reload-tenant":             {{name: "id", kind: number}, {name: "filename", optional: true}},
	"unregister-tenant":         {{name: "id", kind: number}},
	"add-hostbit":               {{name: "ipaddress"}, {name: "hostbit"}, {name: "expire", kind: number}},
	"remove-hostbit":            {{name: "ipaddress"}, {name: "hostbit"}},
	"list-hostbit":              {{name: "ipaddress"}},
	"memcap-set":                {{name: "config"}, {name: "memcap"}},
	"memcap-show":               {{name: "config"}},
	"dataset-add":               {{name: "setname"}, {name: "settype"}, {name: "datavalue"}},
	"dataset-remove":            {{name: "setname"}, {name: "settype"}, {name: "datavalue"}},
	"dataset-add-json":          {{name: "setname"}, {name: "settype"}, {name: "datavalue"}, {name: "datajson"}},
	"dataset-lookup":            {{name: "setname"}, {name: "settype"}, {name: "datavalue"}},
	"dataset-clear":             {{name: "setname"}, {name: "settype"}},
	"get-flow-stats-by-id":      {{name: "flow_id", kind: number}},
}

// Usage returns how a command is written: "conf-get <variable>".
func Usage(command string) string {
	var b strings.Builder
	b.WriteString(command)
	for _, a := range syntaxes[command] {
		switch {
		case a.kind == fixed:
		case a.optional:
			fmt.Fprintf(&b, " [%s]", a.name)
		default:
			fmt.Fprintf(&b, " <%s>", a.name)
		}
	}
	return b.String()
}

// Request is a command with its arguments.
type Request struct {
	Command   string         `json:"command"`
	Arguments map[string]any `json:"arguments,omitempty"`
}

// Parse reads a command as people write it: words apart by spaces. Where all arguments must be given, the last may contain
// spaces.
func Parse(line string) (Request, error) {
	line = strings.TrimSpace(line)
	words := strings.Fields(line)
	if len(words) == 0 {
		return Request{}, fmt.Errorf("no command")
	}
	r := Request{Command: words[0]}
	args := syntaxes[r.Command]
	if !slices.ContainsFunc(args, func(a argument) bool { return a.optional }) && len(words) > len(args)+1 && len(args) > 0 {
		words = fields(line, len(args)+1)
	}
	rest := words[1:]
	r.Arguments = map[string]any{}
	for _, a := range args {
		if a.kind == fixed {
			r.Arguments[a.name] = true
			if len(rest) > 0 && (rest[0] == "true" || rest[0] == "false") {
				rest = rest[1:]
			}
			continue
		}
		if len(rest) == 0 {
			if a.optional {
				break
			}
			return r, fmt.Errorf("%s: %s is missing: %s", r.Command, a.name, Usage(r.Command))
		}
		w := rest[0]
		rest = rest[1:]
		switch a.kind {
		case number:
			n, err := strconv.ParseInt(w, 10, 64)
			if err != nil {
				return r, fmt.Errorf("%s: %s is not a whole number: %q", r.Command, a.name, w)
			}
			r.Arguments[a.name] = n
		case boolean:
			switch strings.ToLower(w) {
			case "true", "1":
				r.Arguments[a.name] = true
			case "false", "0":
				r.Arguments[a.name] = false
			default:
				return r, fmt.Errorf("%s: %s is true or false, not %q", r.Command, a.name, w)
			}
		default:
			r.Arguments[a.name] = w
		}
	}
	if len(rest) > 0 {
		return r, fmt.Errorf("%s: too many arguments: %s", r.Command, Usage(r.Command))
	}
	return r, nil
}

// fields splits a line into n words, the last of which is all that is left.
func fields(line string, n int) []string {
	var out []string
	for len(out) < n-1 {
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			break
		}
		out = append(out, line[:i])
		line = strings.TrimLeft(line[i:], " \t")
	}
	return append(out, line)
}
