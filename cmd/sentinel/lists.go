package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"sentinel"
)

// report returns what prints the list that the command line asks for, or nil.
func (o *options) report() func(io.Writer) error {
	switch {
	case o.version:
		return func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "This is Sentinel version %s (behaves like Suricata %s)\n", sentinel.Version, sentinel.BehavesLike)
			return err
		}
	case o.buildInfo:
		return buildInfo
	case o.dumpConfig:
		return func(w io.Writer) error {
			t, err := o.tree()
			if err != nil {
				return err
			}
			return t.Dump(w)
		}
	case o.listKeywords != "":
		return o.keywords
	case o.listProtos:
		return func(w io.Writer) error { return list(w, "Supported App Layer Protocols", sentinel.Protocols()) }
	case o.listHooks:
		return func(w io.Writer) error { return list(w, "Supported App Layer Hooks", sentinel.Hooks()) }
	case o.listFrames:
		return func(w io.Writer) error { return list(w, "Supported App Layer Frames", sentinel.Frames()) }
	case o.listRunmodes:
		return runmodes
	}
	return nil
}

func list(w io.Writer, title string, names []string) error {
	_, err := fmt.Fprintf(w, "=========%s=========\n%s\n", title, strings.Join(names, "\n"))
	return err
}

// keywords prints the names of all keywords, a table of them, or one.
func (o *options) keywords(w io.Writer) error {
	all := sentinel.Keywords()
	b := &strings.Builder{}
	switch o.listKeywords {
	case "all":
		b.WriteString("=====Supported keywords=====\n")
		for _, k := range all {
			fmt.Fprintf(b, "- %s\n", k.Name)
		}
	case "csv":
		b.WriteString("name;description;app layer;features;documentation\n")
		for _, k := range all {
			fmt.Fprintf(b, "%s;%s;%s;%s;\n", k.Name, strings.ReplaceAll(k.Doc, ";", ","), orElse(strings.Join(k.Protocols, ":"), "Unset"), features(k))
		}
	default:
		i := slices.IndexFunc(all, func(k sentinel.Keyword) bool { return k.Name == o.listKeywords })
		if i < 0 {
			return fmt.Errorf("--list-keywords=%s: there is no such keyword", o.listKeywords)
		}
		k := all[i]
		fmt.Fprintf(b, "= %s =\nDescription: %s\nProtocols: %s\nFeatures: %s\n", k.Name, k.Doc, orElse(strings.Join(k.Protocols, ", "), "any"), features(k))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func features(k sentinel.Keyword) string {
	switch {
	case k.Sticky:
		return "sticky buffer"
	case k.Transform:
		return "transform"
	}
	return "none"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// buildInfo prints how the program was built.
func buildInfo(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "This is Sentinel version %s (behaves like Suricata %s)\n", sentinel.Version, sentinel.BehavesLike)
	fmt.Fprintf(b, "Go: %s, %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "CGO_ENABLED", "-tags", "vcs.revision", "vcs.time", "vcs.modified", "GOAMD64":
				fmt.Fprintf(b, "%s: %s\n", s.Key, s.Value)
			}
		}
	}
	have := sentinel.Features()
	names := make([]string, 0, len(have))
	for n := range have {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(b, "%s: %s\n", n, map[bool]string{true: "yes", false: "no"}[have[n]])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
