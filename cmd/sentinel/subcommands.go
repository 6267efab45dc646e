package main

import (
	"fmt"
	"io"
	"strings"
)

// subcommand is a tool of its own behind the program's name.
type subcommand struct {
	name, doc string
	run       func(args []string, stdout, stderr io.Writer) int
}

// subcommands are the tools, in the order of --help.
var subcommands = []subcommand{
	{"ctl", "talk to a running engine through its control socket", ctl},
}

// subcommandOf returns the tool that the arguments name; nil = none.
func subcommandOf(args []string) *subcommand {
	if len(args) == 0 {
		return nil
	}
	for _, c := range subcommands {
		if c.name == args[0] {
			return &c
		}
	}
	return nil
}

// subcommandUsage lists the tools for --help.
func subcommandUsage() string {
	var b strings.Builder
	for _, c := range subcommands {
		fmt.Fprintf(&b, "  %-47s %s\n", "sentinel "+c.name, c.doc)
	}
	return b.String()
}
