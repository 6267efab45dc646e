// Package app is the contract between the engine and the application protocols.
//
// A protocol is data: a Protocol descriptor with patterns, probes, a parser, its buffers, numbers, events and log. From it the
// engine derives the configuration section, protocol detection, rule keywords, hooks, the EVE type and the counters.
// A protocol lives in one folder, and is named in one line of the list in stream/app/all. Protocols never import
// detection or output.
package app
