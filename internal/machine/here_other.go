//go:build !linux

package machine

// Here is a machine of which nothing is known.
func Here() *System { return &System{} }
