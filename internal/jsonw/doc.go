// Package jsonw builds JSON text in a reused buffer, without reflection and without allocating.
//
// Strings are escaped as EVE readers know it from Suricata. The package knows nothing of events;
// it guarantees only that the text is valid JSON when its calls are balanced.
package jsonw
