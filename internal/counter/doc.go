// Package counter counts what the engine does: one set of plain counters a worker, summed when read.
//
// Names are registered at start and become indices, so that counting is an addition to the worker's own
// memory. The package knows no names and no outputs.
package counter
