package sentinel

import (
	"fmt"
	"os"
	"path/filepath"

	"sentinel/detect/dataset"
	"sentinel/internal/conf"
)

// dataDir is where state is kept between runs.
func (e *Engine) dataDir() string {
	if e.opt.DataDir != "" {
		return e.opt.DataDir
	}
	if d := e.tree.Get("default-data-dir").Str(""); d != "" {
		return d
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "."
	}
	return filepath.Join(d, "sentinel", "data")
}

// datasets makes the sets of the section datasets.
func (e *Engine) openDatasets() []error {
	root := e.tree.Root().Get("datasets")
	size := func(path string) uint64 {
		n, _ := root.Get(path).Size(0)
		return n
	}
	e.datasets = dataset.New(dataset.Config{
		Memcap: size("defaults.memcap"), HashSize: size("defaults.hashsize"), DataDir: e.dataDir(),
		DenyWrite: root.Get("rules.allow-write").IsFalse(), AllowAbsolute: root.Get("rules.allow-absolute-filenames").IsTrue(),
	})
	var errs []error
	for _, n := range root.Children() {
		if x, ok, err := e.datasetSpec(n); err != nil {
			errs = append(errs, err)
		} else if ok {
			if _, err := e.datasets.Get(x); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

// datasetSpec reads one set of the configuration; ok is false for other keys of the section.
func (e *Engine) datasetSpec(n *conf.Node) (x dataset.Spec, ok bool, err error) {
	kind := n.Get("type").Str("")
	if kind == "" {
		return x, false, nil
	}
	x.Name = n.Name()
	if x.Type, ok = dataset.TypeByName(kind); !ok {
		return x, false, fmt.Errorf("%s: bad type %s", n.Pos(), kind)
	}
	place := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(e.dataDir(), p)
	}
	x.Load, x.Save = place(n.Get("load").Str("")), place(n.Get("save").Str(""))
	if s := place(n.Get("state").Str("")); s != "" {
		x.Load, x.Save = s, s
	}
	x.Memcap, _ = n.Get("memcap").Size(0)
	x.HashSize, _ = n.Get("hashsize").Size(0)
	return x, true, nil
}
