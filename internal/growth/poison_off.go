//go:build !invariants

package growth

const poisoned = false
