// Package eve writes what the engine sees: events as JSON lines, alerts as short lines, and counters as a table.
//
// Output reads the outputs section of the configuration and owns the sinks; each worker builds its events in a Worker of its
// own and hands them over once a batch. The package knows packets, flows, transactions and alerts, but not how they came about:
// it must not touch rules' matching or protocols' parsing.
package eve
