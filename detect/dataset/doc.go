// Package dataset holds sets of values that rules ask for and change, with a number for each value where a set has them
// (datarep), or with JSON that goes into alerts. Sets are shared by workers and outlive a reload of the rules. The package must not know rules or packets.
package dataset
