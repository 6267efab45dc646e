// Package detect compiles rules and judges packets by them.
//
// A Ruleset is immutable and shared by all workers; a Worker belongs to one goroutine. The package reads what stream found
// (stream.Unit) and writes alerts and actions; it knows nothing of capture or output.
package detect
