// Package flow keeps the flows of one worker: pointer-free records in a slab, found by a symmetric key.
//
// A Table belongs to one goroutine. The package knows nothing of TCP, parsers, rules or output; those keep their own
// state in tables of their own and leave an index in the record.
package flow
