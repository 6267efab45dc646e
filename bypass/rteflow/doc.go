// Package rteflow has network cards drop the packets of flows that the engine need not see any more: rte_flow rules on the 5-tuple, with an
// action that counts, on ports of DPDK.
//
// A card is believed only when it has made a rule: there are drivers that say yes to a question and no to the deed. Built without the tag
// dpdk, Open says so. The package knows nothing of rules, parsers or output, and never why a flow is bypassed.
package rteflow
