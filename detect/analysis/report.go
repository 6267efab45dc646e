package analysis

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"sentinel/detect"
	"sentinel/internal/jsonw"
	"sentinel/rules"
)

// Options say what to write.
type Options struct {
	Dir          string // where the reports go; files that are there are replaced
	Rules        bool   // engine-analysis.rules: rules.json, rules_analysis.txt, patterns.json and flowbits.json
	WarningsOnly bool   // of rules_analysis.txt only the rules with warnings
	FastPattern  bool   // engine-analysis.rules-fast-pattern: rules_fast_pattern.txt
	FileStore    bool   // files are stored: rules with filestore can do what they say
	Refused      []*rules.Error
	Config       *detect.Config // what the rules were compiled with
	Now          time.Time
}

// Write writes the reports of rules, which are in the order of evaluation.
func Write(list []detect.Description, o Options) error {
	if o.Config == nil {
		o.Config = &detect.Config{}
	}
	read := asRead(list)
	var errs []error
	if o.Rules {
		errs = append(errs,
			o.put("rules.json", rulesJSON(list, o.Config)),
			o.put("rules_analysis.txt", rulesText(read, &o)),
			o.put("patterns.json", patternsJSON(list)))
		if b := flowbitsJSON(read); b != nil {
			errs = append(errs, o.put("flowbits.json", b))
		}
	}
	if o.FastPattern {
		errs = append(errs, o.put("rules_fast_pattern.txt", fastText(read, &o)))
	}
	return errors.Join(errs...)
}

func (o *Options) put(name string, data []byte) error {
	return write(filepath.Join(o.Dir, name), data)
}

func write(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// asRead returns the rules in the order in which they were read, each once.
func asRead(list []detect.Description) []*detect.Description {
	out := make([]*detect.Description, 0, len(list))
	for i := range list {
		out = append(out, &list[i])
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Loaded < out[j].Loaded })
	kept := out[:0]
	for _, d := range out {
		if n := len(kept); n > 0 && kept[n-1].Meta.SID == d.Meta.SID && kept[n-1].Meta.GID == d.Meta.GID {
			continue
		}
		kept = append(kept, d)
	}
	return kept
}

// object builds one JSON object.
func object(fill func(w *jsonw.Builder)) []byte {
	var w jsonw.Builder
	w.StartObject()
	fill(&w)
	w.Close()
	w.Newline()
	return w.Bytes()
}

func words(w *jsonw.Builder, key string, list []string) {
	w.OpenArray(key)
	for _, s := range list {
		w.ElemString(s)
	}
	w.Close()
}

func sids(w *jsonw.Builder, key string, list []uint32) {
	w.OpenArray(key)
	for _, n := range list {
		w.ElemUint(uint64(n))
	}
	w.Close()
}
