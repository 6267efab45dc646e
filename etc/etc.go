// Package etc holds the files that the engine ships with, so that the binary works without any on disk.
//
// It knows nothing of what is in them; their readers are elsewhere.
package etc

import "embed"

// Files has every file by its name, for example "sentinel.yaml" or "rules/demo.rules".
//
//go:embed *.yaml *.config rules/*.rules
var Files embed.FS

// Config is the default configuration.
//
//go:embed sentinel.yaml
var Config []byte

// Classification is the default classification-file.
//
//go:embed classification.config
var Classification []byte

// Reference is the default reference-config-file.
//
//go:embed reference.config
var Reference []byte

// Threshold is the default threshold-file. It sets nothing.
//
//go:embed threshold.config
var Threshold []byte
