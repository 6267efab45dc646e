// Package http1 parses HTTP/0.9, 1.0 and 1.1 as leniently as servers and browsers do, because an engine that is stricter
// than they are can be evaded. It follows libhtp's behaviour, keeps one request and one response per transaction, and
// offers the parts of both to rules, EVE and file tracking.
//
// It must not know rules or output.
package http1
