// Package daemon makes a process a good citizen of its system: it goes into the background, keeps a file with its process id, gives up
// rights that it does not need, and tells the service manager how it is. It knows nothing of packets, rules or the configuration.
package daemon
