// Package apptest tests any protocol from text files, and holds it to the contract of package app: any split of the input
// gives the same result, input that is overwritten after the call changes nothing, a gap anywhere does not panic, and
// getters allocate nothing.
//
// A file is a conversation and what must come of it:
//
//	# a comment
//	config  max-tx: 10                       a line of the protocol's section (YAML), repeatable
//	>  "GET / HTTP/1.0\r\n\r\n"              bytes to the server, as a Go string
//	<  "HTTP/1.0 200 OK\r\n"                 bytes to the client; > and < may be followed by several strings
//	>x 16 03 01 00                           bytes in hexadecimal
//	gap > 100                                100 bytes to the server are missing
//	eof <                                    the direction ends; both end at the end of the file by themselves
//	want
//	log {"hostname":"…"}                     one line a transaction, in order of ids, as JSON
//	event 1 invalid_data                     an event of transaction 1; of transaction 0: of the flow
//	file 1 < name 68 CLOSED                  a file of transaction 1: name, size, state
//	buffer 1 < http.host "example.com"       a buffer of transaction 1, as a Go string
//	progress 1 2 3                           how far transaction 1 got, to the server and to the client
//	next tls                                 the protocol that the parser asked for; "any" for detection anew
//	failed                                   the parser gave up
//
// Kinds of lines that a file does not use are not compared, but log, event, file, next and failed are compared in full as
// soon as one of their kind is there; "none event" says that there must be none.
package apptest
