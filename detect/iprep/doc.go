// Package iprep holds what is known of the reputation of addresses: scores by category, from files. A Table is immutable
// and shared by workers. The package must not know rules or packets.
package iprep
