// Package conf reads configuration in the format of suricata.yaml into a tree of named values.
//
// A tree is read once at start or reload. It knows files, includes, overrides and how raw
// scalars are spelled; it must not know what any key means. The parts of the engine ask for
// their own keys and keep their own defaults.
package conf
