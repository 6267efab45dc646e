//go:build dpdk

package live_test

// tags are what the program is built with: what the tests are.
const tags = "dpdk"
