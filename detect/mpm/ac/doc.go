// Package ac is the multi-pattern engine in plain Go, for builds without cgo: Aho-Corasick over the
// ends of the patterns, and a comparison of the rest. It takes literal patterns only.
package ac
