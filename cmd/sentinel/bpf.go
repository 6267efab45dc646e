package main

import (
	"fmt"
	"os"
	"strings"

	"sentinel"
	"sentinel/capture"
	"sentinel/capture/filter"
)

// captureFilter is the filter of the command line, or of the configuration's bpf-filter. A nil one lets everything pass.
type captureFilter struct{ *filter.Program }

// bpf reads the filter: the words after the options, or the file of -F, or the configuration's key.
func (o *options) bpf(e *sentinel.Engine) (*captureFilter, error) {
	text := o.filter
	if o.filterFile != "" {
		if text != "" {
			return nil, fmt.Errorf("-F %s: there is a filter on the command line already", o.filterFile)
		}
		b, err := os.ReadFile(o.filterFile)
		if err != nil {
			return nil, fmt.Errorf("cannot open the filter: %w", err)
		}
		text = withoutComments(string(b))
	}
	if text == "" {
		text = e.Config().Get("bpf-filter").Str("")
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	p, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	return &captureFilter{p}, nil
}

// withoutComments drops what follows a # in each line.
func withoutComments(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text, _, _ := strings.Cut(line, "#")
		b.WriteString(strings.TrimRight(text, "\n") + "\n")
	}
	return strings.TrimSpace(b.String())
}

// frames is the filter for files.
func (f *captureFilter) frames(warn func(string)) func(*capture.Frame) bool {
	if f == nil {
		return nil
	}
	return f.Frames(func(err error) { warn(err.Error()) })
}
