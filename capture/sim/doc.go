// Package sim is a capture driver for tests: it plays a script of packets, pauses and losses, records what the
// engine does with them, and finds engines that break the contract of capture.Source.
//
// Nothing waits for wall-clock time. The package knows nothing of what is inside a frame.
package sim
