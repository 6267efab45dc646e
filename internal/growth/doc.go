// Package growth is for tests: it checks that work grows in proportion to its input, whoever chose the input. It knows nothing
// of what it measures.
package growth
