package keyword

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/detect/dataset"
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
		var cmd datasetCommand
		switch args[0] {
		case "isset":
			cmd = setHas
		case "isnotset":
			cmd = setHasNot
		case "set":
			cmd = setAdd
		case "unset":
			cmd = setRemove
		default:
			return problem("dataset action \"" + args[0] + "\" is not supported.")
		}
		set, err := openSet(b, args[1], args[2:], false)
		if err != nil {
			return err
		}
		return b.Elem(&chain.Check{Checker: datasetMatch{set, cmd}})
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
	set *dataset.Set
	cmd datasetCommand
}

// Check implements chain.Checker. The whole buffer is the value: another hit of a condition before changes nothing.
func (m datasetMatch) Check(data []byte, _ int) chain.Verdict {
	ok := false
	switch m.cmd {
	case setHas:
		_, ok = m.set.Has(data)
	case setHasNot:
		_, ok = m.set.Has(data)
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
		if m.set, err = openSet(b, args[0], args[3:], true); err != nil {
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

// openSet returns the set that a rule names, made as its options say.
func openSet(b *detect.Builder, name string, options []string, reps bool) (*dataset.Set, error) {
	sets := b.Config().Datasets
	if sets == nil {
		return nil, problem("there are no datasets")
	}
	if strings.ContainsAny(name, " \t") {
		return nil, problem("spaces not allowed in dataset names")
	}
	x := dataset.Spec{Name: name, Reps: reps}
	state := false
	for _, o := range options {
		key, value, _ := strings.Cut(o, " ")
		value = strings.TrimSpace(value)
		size, sized := conf.ParseSize(value)
		switch key {
		case "type":
			t, ok := dataset.TypeByName(value)
			if !ok {
				return nil, problem("bad type " + value)
			}
			x.Type = t
		case "load":
			if x.Load != "" {
				return nil, problem("'load' can only appear once")
			}
			x.Load = value
		case "save":
			if x.Save != "" {
				return nil, problem("'save' can only appear once")
			}
			x.Save = value
		case "state":
			if state {
				return nil, problem("'state' can only appear once")
			}
			if x.Load != "" || x.Save != "" {
				return nil, problem("'state' can not be mixed with 'load' and 'save'")
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
			if value != "csv" {
				return nil, problem("datasets in JSON are not supported yet")
			}
		default:
			return nil, problem("the dataset option \"" + key + "\" is not supported")
		}
	}
	if state && len(x.Save) > 0 && x.Load != x.Save {
		return nil, problem("'state' can not be mixed with 'load' and 'save'")
	}
	if reps && x.Load != "" && x.Type == dataset.NoType {
		return nil, problem("if load is used type must be set as well")
	}
	if x.Save != "" {
		path, err := savePath(b, sets, x.Save)
		if err != nil {
			return nil, err
		}
		if state {
			x.Load = path
		}
		x.Save = path
	}
	if x.Load != "" && !state {
		x.Load = loadPath(b, x.Load)
	}
	return sets.Get(x)
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
