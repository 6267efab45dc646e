// Package tcp follows TCP sessions: the state machine, and one reassembler with an IDS and an inline mode.
//
// Data goes up in order, each byte once per consumer: to the application layer through App, to rules through Raw. In IDS mode
// that is when the receiver has acknowledged it, inline at once. A Tracker belongs to one goroutine. The package knows
// nothing of protocols, rules or output.
package tcp
