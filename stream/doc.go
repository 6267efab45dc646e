// Package stream is the stateful part of a worker below the rules: it finds a packet's flow, tracks TCP, detects and runs the
// application protocol, and ends flows. What it found of a packet lies in a Unit, which detection and output read.
//
// It knows nothing of rules or output; both reach it through Hooks.
package stream
