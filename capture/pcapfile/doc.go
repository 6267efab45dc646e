// Package pcapfile reads capture files: pcap and pcapng, from a file, a directory of files or a pipe.
//
// Bytes are read in large blocks into memory of its own, and frames are lent straight out of a block. A block
// is used again when the last of its frames has been released. (Mapping the file costs three times as much per
// packet in page faults, and a file that shrinks while it is mapped kills the process.)
//
// The package knows link types by number only, and nothing of what is inside a frame.
package pcapfile
