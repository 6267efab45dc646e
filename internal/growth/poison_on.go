//go:build invariants

package growth

const poisoned = true
