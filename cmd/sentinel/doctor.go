package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"sentinel"
	"sentinel/capture"
	"sentinel/internal/conf"
	"sentinel/internal/machine"
)

const doctorUsage = `Usage: sentinel doctor [--json] [the options of a start: -c suricata.yaml --af-packet=eth0 …]

Checks configuration, rules and this machine before a start with the same options. Each finding says what was found, why it
matters and the command that mends it. The exit status is 1 with any error.
`

// doctor is one examination.
type doctor struct {
	findings
	o       *options
	m       *machine.Machine
	root    *conf.Node // nil = the configuration cannot be read
	sel     sentinel.Selection
	live    bool
	targets []capture.Target
	home    string // the folder that logs go to
	rings   uint64 // bytes that the kernel is to set aside for packets
}

// runDoctor is the subcommand doctor.
func runDoctor(args []string, stdout, stderr io.Writer) int {
	args, asJSON := takeFlag(args, "--json")
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err := io.WriteString(stdout, doctorUsage)
		return finish(toStdout(err), stderr)
	case err != nil:
		return finish(fmt.Errorf("doctor: %w", err), stderr)
	}
	m, err := machine.Here().Read()
	if err != nil {
		return finish(err, stderr)
	}
	d := &doctor{o: o, m: m}
	d.examine()
	if asJSON {
		type result struct {
			Findings []finding `json:"findings"`
			Errors   int       `json:"errors"`
			Warnings int       `json:"warnings"`
		}
		err = writeJSON(stdout, result{d.findings, d.count(gradeError), d.count(gradeWarning)})
	} else if err = d.write(stdout, painter(stdout)); err == nil {
		_, err = fmt.Fprintf(stdout, "\n%s, %s\n", plural(d.count(gradeError), "error"), plural(d.count(gradeWarning), "warning"))
	}
	if status := finish(toStdout(err), stderr); status != 0 {
		return status
	}
	if d.count(gradeError) > 0 {
		return 1
	}
	return 0
}

// driverNotes makes findings of what a driver has to say of its settings.
type driverNotes struct {
	d    *doctor
	area string
}

// Infof implements capture.Log.
func (driverNotes) Infof(string, ...any) {}

// Warnf implements capture.Log.
func (n driverNotes) Warnf(format string, args ...any) {
	n.d.warn(n.area, fmt.Sprintf(format, args...), "the engine says so at start", "")
}

// examine looks at everything, in the order of the report.
func (d *doctor) examine() {
	d.configuration()
	if d.root == nil {
		return
	}
	d.rules()
	d.logs()
	d.socket()
	d.user()
	d.capturing()
	d.memory()
	d.processors()
	d.system()
}

// capturing looks at what is captured from.
func (d *doctor) capturing() {
	const area = "capture"
	var err error
	if d.sel, d.live, err = d.o.selection(); err != nil {
		d.fail(area, err.Error(), "the engine would not start", "")
		return
	}
	switch {
	case d.o.pcap != "":
		if _, err := os.Stat(d.o.pcap); err != nil && d.o.pcap != "-" {
			d.fail(area, err.Error(), "there is nothing to read", "")
			return
		}
		d.ok(area, "%s is there", d.o.pcap)
		return
	case !d.live:
		d.ok(area, "nothing to capture from is named: name it as for a start, for example --af-packet=eth0, to have it examined")
		return
	}
	if d.targets, err = sentinel.Targets(d.root, d.sel); err != nil {
		d.live = false
		d.fail(area, err.Error(), "the engine would not start", "")
		return
	}
	d.rights()
	switch d.sel.Driver {
	case "nfq":
		d.queues()
	case "dpdk":
		d.hugePages()
		d.bindings()
	default:
		for i := range d.targets {
			d.targets[i].Auto = max(len(d.m.CPUs), 1)
			d.network(&d.targets[i])
		}
	}
}
