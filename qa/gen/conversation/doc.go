// Command conversation makes a capture of a TCP conversation from a text file as protocols' tests have them, so that the
// whole engine can be tried on it:
//
//	go run ./qa/gen/conversation -port 80 stream/app/http1/testdata/get.txt get.pcap
//
// It reads the lines that begin with >, <, >x and <x, up to the line want. It knows nothing of protocols.
package main
