// Package control is the control socket: Suricata's JSON protocol over a Unix stream socket, as server and as client.
//
// A client says {"version": "0.2"}, is answered {"return": "OK"}, and then sends commands,
// {"command": "uptime"} or {"command": "conf-get", "arguments": {"variable": "vars"}}, each of which is answered by one
// object with "return" ("OK" or "NOK") and "message". Version 0.2 ends what the server says with a newline; 0.1 does not.
//
// The package knows how commands and their arguments are written. What they do is the engine's: it must not be imported here.
package control
