// Package sink takes lines of output where they belong: a file, a Unix socket, or syslog.
//
// A sink is shared by workers, which hand over many whole lines at a time. It knows nothing of what the lines say.
package sink
