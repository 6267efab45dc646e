package main

import (
	"fmt"
	"io"
	"strings"
)

// subcommand is a thing that the program does instead of running the engine, named by its first argument.
type subcommand struct {
	name, doc string
	run       func(args []string, stdout, stderr io.Writer) int // args are those behind the name; the result is the exit status
}

// subcommands lists them, in the order of --help.
func subcommands() []subcommand {
	return []subcommand{
		{"ctl", "talk to a running engine through its control socket", ctl},
		{"interfaces", "what each interface can do here, and what to change", runInterfaces},
		{"doctor", "check a configuration against this machine before a start", runDoctor},
	}
}

// subcommandOf finds the subcommand that the arguments begin with; nil = they are the engine's.
func subcommandOf(args []string) *subcommand {
	if len(args) == 0 {
		return nil
	}
	for _, c := range subcommands() {
		if c.name == args[0] {
			return &c
		}
	}
	return nil
}

// subcommandLines are the lines of --help.
func subcommandLines() string {
	var b strings.Builder
	for _, c := range subcommands() {
		fmt.Fprintf(&b, "  sentinel %-38s %s\n", c.name, c.doc)
	}
	return b.String()
}

// takeFlag removes an option without a value from arguments, and reports whether it was there.
func takeFlag(args []string, names ...string) (rest []string, found bool) {
	for i, a := range args {
		if a == "--" {
			return append(rest, args[i:]...), found
		}
		is := false
		for _, name := range names {
			is = is || a == name
		}
		if found = found || is; !is {
			rest = append(rest, a)
		}
	}
	return rest, found
}
