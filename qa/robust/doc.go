// Command robust runs the engine over many captures in several ways, and finds what none of them may do: panics that were
// caught, hangs, growth, goroutines that stay, frames that are not released, and alerts or events that depend on the number of
// workers.
//
//	go run -race -tags invariants ./qa/robust -shared ../shared -every 10
//
// Each capture is read by one worker, by several, and by several with a reload of the rules in the middle. Cases of the conformance
// suite are run with their own rules and configuration, other captures with a sample of a large rule file. The folder knows the engine
// as a library only.
package main
