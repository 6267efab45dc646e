//go:build !unix

package daemon

// GiveOpenFiles does nothing here.
func GiveOpenFiles(*Identity) error { return nil }

// GiveFolder does nothing here.
func GiveFolder(string, *Identity) error { return nil }
