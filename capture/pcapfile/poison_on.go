//go:build invariants

package pcapfile

// poison overwrites released frames, so that a use after Release shows.
const poison = true
