package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// notYet are options of Suricata's that are known and not done, with what to use instead, if there is something.
var notYet = []struct {
	name, short string
	value       byte // '=' = takes one, '?' = may take one
	instead     string
}{
	{name: "dump-features"},
	{name: "pfring", value: '?', instead: "use --af-packet"},
	{name: "pfring-int", value: '=', instead: "use --af-packet"},
	{name: "pfring-cluster-id", value: '='},
	{name: "pfring-cluster-type", value: '='},
	{name: "netmap", value: '?', instead: "use --af-packet"},
	{name: "ipfw", short: "d", value: '='},
	{name: "pcap-file-buffer-size", value: '='},
	{name: "plugin", value: '='},
	{name: "capture-plugin", value: '='},
	{name: "capture-plugin-args", value: '='},
	{name: "pcap-buffer-size", value: '='},
	{name: "unittests", short: "u", instead: "the tests of this engine run with: make test"},
	{name: "unittest-filter", short: "U", value: '='},
	{name: "list-rule-protos"},
	{name: "list-unittests"},
	{name: "disable-hashing"},
	{name: "erf-in", value: '='},
	{name: "dag", value: '='},
	{name: "napatech"},
	{name: "windivert", value: '='},
	{name: "windivert-forward", value: '='},
	{name: "nflog", value: '?'},
	{name: "qa-skip-prefilter"},
	{name: "firewall"},
	{name: "firewall-rules-exclusive", value: '='},
}

// absent is the value of an option that is not done: to set it is an error.
type absent struct{ instead string }

func (absent) String() string { return "" }
func (absent) Type() string   { return "" }

func (a absent) Set(string) error {
	if a.instead != "" {
		return errors.New("this option of Suricata's is not supported: " + a.instead)
	}
	return errors.New("this option of Suricata's is not supported yet")
}

// addNotYet makes the options that are not done known, so that they are told from misspelt ones. They are not in --help.
func addNotYet(f *pflag.FlagSet) {
	for _, n := range notYet {
		f.VarPF(absent{n.instead}, n.name, n.short, "").Hidden = true
		if n.value != '=' {
			f.Lookup(n.name).NoOptDefVal = "yes"
		}
	}
}

// plainError takes pflag's wrapping off an error of an option that is not done, and says in which option it is.
func plainError(err error) error {
	var v *pflag.InvalidValueError
	if errors.As(err, &v) {
		if _, ok := v.GetFlag().Value.(absent); ok {
			name := "--" + v.GetFlag().Name
			if s := v.GetFlag().Shorthand; s != "" {
				name = "-" + s
			}
			return fmt.Errorf("%s: %w", name, v.Unwrap())
		}
	}
	var u *pflag.NotExistError
	if errors.As(err, &u) {
		return fmt.Errorf("unknown option %s", strings.TrimPrefix(err.Error(), "unknown flag: "))
	}
	return err
}
