// Package machine says what the machine is that the program runs on: its processors and memory, its network interfaces with their
// queues and offloads, what is bound to DPDK, what the kernel can do and what this process may do.
//
// It only reads. What lies in files is read below a root folder, so that a test can make up a machine. It knows nothing of how the
// engine captures; what the facts mean for that is for others to say.
package machine
