package keyword

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/detect/dataset"
	"sentinel/detect/pcre"
	"sentinel/internal/conf"
)

// datasetKeyword asks whether the buffer is in a set, or puts it there: "isset,name,type string,load file".
func datasetKeyword() detect.Keyword {
	return detect.Keyword{Name: "dataset", Doc: "match sticky buffer against datasets", Setup: func(b *detect.Builder, v string) error {
		if !b.Sticky() {
			return problem("datasets are only supported for sticky buffers")
		}
		args := splitList(v)
		if len(args) < 2 {
			return problem("missing values")
		}
		m := datasetMatch{}
		switch args[0] {
		case "isset":
			m.cmd = setHas
		case "isnotset":
			m.cmd = setHasNot
		case "set":
			m.cmd = setAdd
		case "unset":
			m.cmd = setRemove
		default:
			return problem("dataset action \"" + args[0] + "\" is not supported.")
		}
		x, err := setSpec(b, args[1], args[2:], false)
		if err != nil {
			return err
		}
		changes := m.cmd == setAdd || m.cmd == setRemove
		if m.domain = x.domain; m.domain {
			switch {
			case changes:
				return problem("'match subdomain' only supports isset/isnotset commands")
			case x.Type != dataset.String:
				return problem("'match subdomain' only supports type string")
			}
		}
		if x.Format != dataset.CSV {
			switch {
			case changes:
				return problem("json format is not supported for '" + args[0] + "' command")
			case x.Save != "":
				return problem("json format is not supported with 'save' or 'state' option")
			case x.context == "":
				return problem("json format needs a 'context_key' parameter: the name of the object in alerts")
			case x.ValueKey == "":
				return problem("json format needs a 'value_key' parameter: the key of the value in each object of the file")
			}
		}
		if m.set, err = b.Config().Datasets.Get(x.Spec); err != nil {
			return err
		}
		if x.Format != dataset.CSV && m.cmd == setHas {
			return b.Elem(&chain.Check{Checker: &contextMatch{m, pcre.Capture{Scope: pcre.AlertJSON, Name: x.context}}})
		}
		return b.Elem(&chain.Check{Checker: m})
	}}
}

type datasetCommand uint8

const (
	setHas datasetCommand = iota
	setHasNot
	setAdd
	setRemove
)

type datasetMatch struct {
	set    *dataset.Set
	cmd    datasetCommand
	domain bool // the domains above the value count too
}

func (m *datasetMatch) has(data []byte) (context []byte, ok bool) {
	if m.domain {
		return m.set.Domain(data)
	}
	return m.set.Context(data)
}

// Check implements chain.Checker. The whole buffer is the value: another hit of a condition before changes nothing.
func (m datasetMatch) Check(data []byte, _ int) chain.Verdict {
	ok := false
	switch m.cmd {
	case setHas:
		_, ok = m.has(data)
	case setHasNot:
		_, ok = m.has(data)
		ok = !ok
	case setAdd:
		if _, known := m.set.Has(data); !known { // the lock to read is the cheaper one
			ok = m.set.Add(data)
		}
	case setRemove:
		ok = m.set.Remove(data)
	}
	if ok {
		return chain.Match
	}
	return chain.GiveUp
}

// contextMatch asks whether the buffer is in a set of JSON, and notes for the alert what the set has for it.
type contextMatch struct {
	datasetMatch
	capture pcre.Capture
}

var _ chain.Capturer = (*contextMatch)(nil)

// CheckCapture implements chain.Capturer.
func (m *contextMatch) CheckCapture(data []byte, _ int) (chain.Verdict, chain.Captured) {
	context, ok := m.has(data)
	switch {
	case !ok:
		return chain.GiveUp, chain.Captured{}
	case context == nil:
		return chain.Match, chain.Captured{}
	}
	return chain.Match, chain.Captured{Capture: &m.capture, Value: context}
}

// datarep compares the number that a set has for the buffer: "name,>,200,load file,type string".
func datarep() detect.Keyword {
	return detect.Keyword{Name: "datarep", Doc: "operate on datasets", Setup: func(b *detect.Builder, v string) error {
		if !b.Sticky() {
			return problem("datasets are only supported for sticky buffers")
		}
		args := splitList(v)
		if len(args) < 3 {
			return problem("missing values")
		}
		m := datarepMatch{}
		switch args[1] {
		case ">", "<", "==":
			m.op = args[1][0]
		default:
			return problem("datarep operation \"" + args[1] + "\" is not supported.")
		}
		n, err := strconv.ParseUint(args[2], 10, 16)
		if err != nil {
			return problem("invalid datarep value \"" + args[2] + "\"")
		}
		m.rep = uint16(n)
		x, err := setSpec(b, args[0], args[3:], true)
		if err != nil {
			return err
		}
		if x.Format != dataset.CSV || x.domain {
			return problem("datarep has sets of the format csv, and matches whole values")
		}
		if m.set, err = b.Config().Datasets.Get(x.Spec); err != nil {
			return err
		}
		return b.Elem(&chain.Check{Checker: m})
	}}
}

type datarepMatch struct {
	set *dataset.Set
	rep uint16
	op  byte
}

// Check implements chain.Checker.
func (m datarepMatch) Check(data []byte, _ int) chain.Verdict {
	rep, ok := m.set.Has(data)
	switch m.op {
	case '>':
		ok = ok && rep > m.rep
	case '<':
		ok = ok && rep < m.rep
	default:
		ok = ok && rep == m.rep
	}
	if ok {
		return chain.Match
	}
	return chain.GiveUp
}

func splitList(v string) []string {
	list := strings.Split(v, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// setOptions is what a rule says of a set.
type setOptions struct {
	dataset.Spec
	context string // the name of the set's JSON in alerts
	domain  bool
}

// setSpec reads what a rule says of a set.
func setSpec(b *detect.Builder, name string, options []string, reps bool) (x setOptions, err error) {
	sets := b.Config().Datasets
	if sets == nil {
		return x, problem("there are no datasets")
	}
	if strings.ContainsAny(name, " \t") {
		return x, problem("spaces not allowed in dataset names")
	}
	x.Name, x.Reps = name, reps
	given := map[string]bool{}
	state := false
	for _, o := range options {
		key, value, _ := strings.Cut(o, " ")
		value = strings.TrimSpace(value)
		size, sized := conf.ParseSize(value)
		switch key {
		case "type":
			t, ok := dataset.TypeByName(value)
			if !ok {
				return x, problem("bad type " + value)
			}
			x.Type = t
		case "load":
			if x.Load != "" {
				return x, problem("'load' can only appear once")
			}
			x.Load = value
		case "save":
			if x.Save != "" {
				return x, problem("'save' can only appear once")
			}
			x.Save = value
		case "state":
			if state {
				return x, problem("'state' can only appear once")
			}
			if x.Load != "" || x.Save != "" {
				return x, problem("'state' can not be mixed with 'load' and 'save'")
			}
			x.Load, x.Save, state = value, value, true
		case "memcap":
			if sized {
				x.Memcap = size
			} else {
				b.Warn("dataset", "invalid value for memcap: "+value+", resetting to default")
			}
		case "hashsize":
			if sized && size <= 1<<32-1 {
				x.HashSize = size
			} else {
				b.Warn("dataset", "invalid value for hashsize: "+value+", resetting to default")
			}
		case "format":
			f, ok := dataset.FormatByName(value)
			if !ok {
				return x, problem("unknown format " + value + ": it is csv, json or ndjson")
			}
			if given["format"] {
				return x, problem("'format' can only appear once")
			}
			given["format"] = true
			x.Format = f
		case "value_key", "array_key", "context_key":
			if value == "" || len(value) > dataset.MaxKey {
				return x, problem("the " + key + " \"" + value + "\" is empty or longer than " + strconv.Itoa(dataset.MaxKey) + " bytes")
			}
			switch key {
			case "value_key":
				x.ValueKey = value
			case "array_key":
				x.ArrayKey = value
			default:
				if !contextName(value) {
					return x, problem("context_key can only contain alphanumeric characters and underscores")
				}
				x.context = value
			}
		case "remove_key":
			if value != "" {
				return x, problem("remove_key takes no value")
			}
			x.RemoveKey = true
		case "match":
			if value != "subdomain" {
				return x, problem("unknown match mode '" + value + "': the only one is subdomain")
			}
			x.domain = true
		default:
			return x, problem("the dataset option \"" + key + "\" is not supported")
		}
	}
	if state && len(x.Save) > 0 && x.Load != x.Save {
		return x, problem("'state' can not be mixed with 'load' and 'save'")
	}
	if reps && x.Load != "" && x.Type == dataset.NoType {
		return x, problem("if load is used type must be set as well")
	}
	if x.Save != "" {
		path, err := savePath(b, sets, x.Save)
		if err != nil {
			return x, err
		}
		if state {
			x.Load = path
		}
		x.Save = path
	}
	if x.Load != "" && !state {
		x.Load = loadPath(b, x.Load)
	}
	return x, nil
}

// contextName reports whether a name may be a key in alerts.
func contextName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !letter(c) && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// loadPath finds a file beside the rules, or below default-rule-path.
func loadPath(b *detect.Builder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if p := filepath.Join(filepath.Dir(b.Rule().File), path); exists(p) {
		return p
	}
	if p := filepath.Join(b.Config().RulePath, path); exists(p) {
		return p
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// savePath says where a rule may save: below the data directory, unless the configuration allows more.
func savePath(b *detect.Builder, sets *dataset.Sets, path string) (string, error) {
	switch {
	case sets.DenyWrite:
		return "", problem("Rules containing save/state datasets have been disabled")
	case sets.AllowAbsolute:
		b.Note("Allowing absolute filename for dataset rule: " + path)
	case filepath.IsAbs(path):
		return "", problem("Absolute paths not allowed: " + path)
	case !filepath.IsLocal(path):
		return "", problem("Directory traversals not allowed: " + path)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(sets.DataDir, path)
	}
	return path, nil
}
