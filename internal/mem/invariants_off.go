//go:build !invariants

package mem

// Invariants says whether freed memory is poisoned and checks of our own are on.
const Invariants = false
