package sentinel

import (
	"fmt"
	"os"
	"path/filepath"

	"sentinel/detect/geoip"
	"sentinel/detect/iprep"
)

// countries reads the database of countries: geoip-database. It returns nil without one.
func (e *Engine) countries() (*geoip.Table, error) {
	path := e.tree.Root().Get("geoip-database").Str("")
	if path == "" {
		return nil, nil
	}
	return geoip.Open(path)
}

// reputation reads the reputation of addresses: reputation-categories-file and reputation-files. It returns nil without them.
func (e *Engine) reputation() (*iprep.Table, []error) {
	root := e.tree.Root()
	categories, files := root.Get("reputation-categories-file").Str(""), root.Get("reputation-files")
	switch {
	case categories == "" && !files.Exists():
		return nil, nil
	case !files.Exists():
		return nil, []error{fmt.Errorf("\"reputation-files\" not set")}
	case categories == "":
		return nil, []error{fmt.Errorf("\"reputation-categories-file\" not set")}
	}
	t := &iprep.Table{}
	var errs []error
	read := func(path string, load func(f *os.File) []error) {
		f, err := os.Open(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("opening ip rep file: %w", err))
			return
		}
		defer f.Close()
		for _, err := range load(f) {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	read(categories, func(f *os.File) []error { return t.Categories(f) })
	for _, name := range files.Strings() {
		if !filepath.IsAbs(name) {
			name = filepath.Join(root.Get("default-reputation-path").Str(""), name)
		}
		e.log.Info().Str("module", "reputation").Msg("Loading reputation file: " + name)
		read(name, func(f *os.File) []error { return t.Load(f) })
	}
	return t, errs
}
