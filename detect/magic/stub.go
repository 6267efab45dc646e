//go:build !cgo

package magic

import "errors"

// Available tells whether this build can name kinds of files.
const Available = false

// Library is a loaded database.
type Library struct{}

// Open fails: libmagic is needed.
func Open(string) (*Library, error) {
	return nil, errors.New("naming kinds of files needs a build with cgo")
}

// Text names the kind of a file by its first bytes.
func (*Library) Text([]byte) string { return "" }

// Close gives the database back.
func (*Library) Close() {}
