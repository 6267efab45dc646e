// Package keyword holds the keywords that belong to no protocol, a file each. keyword.go lists them.
//
// A keyword reads its value and tells a detect.Builder what it means; it knows nothing of how rules are found or run.
package keyword
