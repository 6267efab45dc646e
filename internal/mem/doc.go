// Package mem keeps memory that the garbage collector does not see: slabs of pointer-free records and a pool of byte
// blocks, both bounded by a Budget and counted by Purpose.
//
// A Slab and a Pool belong to one goroutine; a Budget may be shared. Running out of memory is a return value. With
// -tags invariants freed memory is filled with 0xCC. The package knows nothing of what is stored in it.
package mem
