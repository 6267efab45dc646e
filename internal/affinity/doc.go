// Package affinity decides which processors threads run on, and puts them there: sets of processors for families of threads, for single
// interfaces, and near the interface's place in the machine. It knows neither the configuration nor what the threads do.
package affinity
