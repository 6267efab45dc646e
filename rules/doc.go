// Package rules is the grammar of Suricata rules: files, lines, headers, options, address and port
// expressions and the variables in them.
//
// It knows nothing of what a keyword, a protocol or a hook means, and it must not import the packages
// that do: an option is a name and a text here.
package rules
