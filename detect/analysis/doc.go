// Package analysis writes the reports of --engine-analysis: what became of each rule (rules.json, rules_analysis.txt), by
// which pattern it is found (rules_fast_pattern.txt), the patterns of all rules by buffer (patterns.json), who sets and asks
// for flowbits (flowbits.json), and the groups of rules by port (rule_group.json).
//
// It knows descriptions of rules only: nothing of packets, and nothing of how detection works inside.
package analysis
