// Package arch holds the rules of the tree as a test: which folder may import which, where cgo may be, and that nothing
// registers itself. It knows folders and imports only, not what is in them.
package arch
