// Package http2 parses HTTP/2 over clear text or behind a TLS proxy: frames, HPACK in both directions, one transaction per
// stream, which finish in any order, and one per frame of the connection itself.
//
// It must not know rules or output.
package http2
