// Package file follows the files and bodies that protocols carry: names, sizes, hashes, and the windows through which
// rules see them.
//
// It knows nothing of protocols, rules or output.
package file
