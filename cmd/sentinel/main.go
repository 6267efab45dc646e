// Command sentinel is the Sentinel intrusion detection and prevention engine. Its options are Suricata's.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"sentinel"
	"sentinel/capture/pcapfile"
	"sentinel/internal/conf"
)

func main() {
	// A reader of standard output that goes away is an error to tell, not a reason to die without writing the events.
	signal.Ignore(syscall.SIGPIPE)
	ownProcess = true
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program, for main and for the tests of the command line. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if c := subcommandOf(args); c != nil {
		return c.run(args[1:], stdout, stderr)
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return finish(toStdout(usage(stdout, o)), stderr)
	case err != nil:
		fmt.Fprintf(stderr, "sentinel: %v\nTry 'sentinel --help'.\n", err)
		return 1
	}
	if f := o.report(); f != nil {
		return finish(toStdout(f(stdout)), stderr)
	}
	return o.engine(stdout, stderr)
}

// toStdout says where an error of writing happened.
func toStdout(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return fmt.Errorf("cannot write to standard output: %w", e.Err)
	}
	return err
}

// finish prints an error once and makes it an exit status.
func finish(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(stderr, "sentinel: %s\n", line)
	}
	return 1
}

// engine runs the engine as the options say.
func (o *options) engine(stdout, stderr io.Writer) int {
	if status, done := o.background(stderr); done {
		return status
	}
	log := newLog(o, stdout, stderr)
	defer log.close()
	if err := o.absolute(); err != nil {
		return log.fatal(err)
	}
	svc := &service{o: o, log: log}
	opt, err := o.library(log)
	if err != nil {
		return log.fatal(err)
	}
	// What is wrong with the configuration is the engine's to tell.
	if tree, err := o.tree(); err == nil {
		if sel, live, err := o.selection(); err == nil && live && sentinel.Forwards(tree.Root(), sel) {
			opt.IPS = opt.IPS || sentinel.Inline(tree.Root(), sel)
			// The directions of a flow come in on two interfaces: they must be one flow.
			opt.Set = append(opt.Set[:len(opt.Set):len(opt.Set)], "livedev.use-for-tracking=no")
		} else if err == nil && live {
			opt.IPS = opt.IPS || sentinel.Inline(tree.Root(), sel)
		}
		if svc, err = o.service(log, tree); err != nil {
			return log.fatal(err)
		}
		if err := o.openLog(log, tree); err != nil {
			return log.fatal(err)
		}
	}
	opt.Started = svc.up
	e, err := sentinel.New(opt)
	if err != nil {
		return log.fatal(err)
	}
	e.ReportLoaded()
	if o.analysis {
		if err := e.Close(); err != nil {
			return log.fatal(err)
		}
		return 0
	}
	if o.test {
		if err := e.Close(); err != nil {
			return log.fatal(err)
		}
		log.notice("Configuration provided was successfully loaded. Exiting.")
		return 0
	}
	ctx, stop := svc.context()
	defer stop()
	if opt.Queue {
		return svc.serve(ctx, e)
	}
	del := newDeleter(o, e.Config().Root(), e.Warn)
	sources, err := o.open(e, del)
	if err != nil {
		return log.fatal(errors.Join(err, e.Close()))
	}
	closeControl, err := svc.answer(e)
	if err != nil {
		return log.fatal(errors.Join(err, e.Close()))
	}
	defer closeControl()
	if err := svc.confine(e); err != nil {
		return log.fatal(errors.Join(err, e.Close()))
	}
	defer svc.signals(e)()
	defer svc.watchdog(e)()
	progress := newProgress(stderr, sources, o.quiet, log)
	err = errors.Join(e.Run(ctx, sources...), svc.failed(ctx))
	progress.stop()
	closeControl()
	svc.interfaces(e)
	if o.strict && (errors.Is(err, pcapfile.ErrTruncated) || errors.Is(err, pcapfile.ErrCorrupt)) {
		// Those who ask for errors at start to be fatal get the reference's word on the others: what came before the damage counts.
		log.say(levelWarning, "pcap", err.Error())
		err = nil
	}
	for _, s := range sources {
		err = errors.Join(err, s.Close())
	}
	sum := e.Summary()
	if err = errors.Join(err, e.Close()); err == nil {
		del.finish(&sum)
	}
	if !o.quiet {
		if werr := printSummary(stdout, sum, e.Config().Root()); werr != nil {
			err = errors.Join(err, toStdout(werr))
		}
	}
	if err != nil {
		return log.fatal(err)
	}
	return 0
}

// openLog opens the outputs of the section logging before the engine reads the configuration, so that what it then says is
// in them.
func (o *options) openLog(log *engineLog, tree *conf.Tree) error {
	if err := log.configure(tree.Root(), o.outputDir(tree)); err != nil {
		if o.strict {
			return err
		}
		log.say(levelWarning, "logging", err.Error())
	}
	mode := ""
	if o.test {
		mode = ", in test mode"
	}
	log.notice(fmt.Sprintf("This is Sentinel version %s%s", sentinel.Version, mode))
	if o.verbose > 0 {
		log.say(levelInfo, "sentinel", "Running with verbose level "+log.minimum.String())
	}
	return nil
}
