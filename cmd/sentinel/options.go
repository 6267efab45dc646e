package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"sentinel"
	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/etc"
	"sentinel/internal/conf"
	"sentinel/internal/daemon"
)

// options are the command line.
type options struct {
	flags *pflag.FlagSet

	config, rulesOnly, rulesToo string
	pcap, logDir, checksums     string
	include, set                []string
	runmode, dataDir            string
	selected                    [len(selectors)]string // by selector; empty = not asked for
	interfaces                  []string               // of -i
	queues                      []string               // of -q
	keywordsFatal               string
	listKeywords                string
	verbose                     int
	test, analysis              bool
	version, quiet              bool
	noDetection, strict         bool
	ips, noRandom               bool
	recursive, continuous       bool
	pcapDelete                  bool
	dumpConfig, buildInfo       bool
	listProtos, listHooks       bool
	listFrames                  bool
	listRunmodes                bool
	workers                     int
	filter                      string
	filterFile                  string

	unixSocket string

	lossAt, reassemblyAt, sessionAt, flowAt, defragAt uint64
	errorTS, errorTC                                  int64
	alertQueue                                        bool

	daemon               bool
	pidFile, user, group string
	parent               *daemon.Parent // that started this one in the background

	rejectDev string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := pflag.NewFlagSet("sentinel", pflag.ContinueOnError)
	o.flags = f
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.StringVarP(&o.config, "config", "c", "", "configuration `FILE` (suricata.yaml)")
	f.StringVarP(&o.pcap, "read", "r", "", "read a capture `FILE`, a folder of them, or - for standard input")
	f.StringVarP(&o.rulesOnly, "rules-exclusive", "S", "", "load this rule `FILE` instead of those of the configuration")
	f.StringVarP(&o.rulesToo, "rules", "s", "", "load this rule `FILE` besides those of the configuration")
	f.StringVarP(&o.logDir, "log-dir", "l", "", "write logs into this `FOLDER`")
	f.StringVarP(&o.checksums, "checksums", "k", "", "verify checksums: all, none or auto (`MODE`)")
	f.BoolVarP(&o.test, "test", "T", false, "test configuration and rules, then exit")
	f.BoolVar(&o.analysis, "engine-analysis", false, "write reports of what became of the rules, then exit")
	f.CountVarP(&o.verbose, "verbose", "v", "say more; -vv and -vvv still more")
	f.BoolVarP(&o.version, "version", "V", false, "print the version")
	f.BoolVar(&o.quiet, "quiet", false, "no progress, no summary, only errors")
	f.StringArrayVar(&o.set, "set", nil, "set a configuration value, as in `KEY=VALUE`; repeatable")
	f.StringArrayVar(&o.include, "include", nil, "read this configuration `FILE` too; repeatable")
	f.StringVar(&o.runmode, "runmode", "", "single, autofp or workers (`MODE`)")
	f.IntVar(&o.workers, "workers", 0, "`NUMBER` of workers; 0 is one a core, or a queue of the network")
	f.BoolVar(&o.noDetection, "disable-detection", false, "run no rules")
	f.BoolVar(&o.strict, "init-errors-fatal", false, "fail on an error in rules or configuration")
	f.StringVar(&o.keywordsFatal, "strict-rule-keywords", "", "fail on errors of these keywords, all without `LIST`")
	f.Lookup("strict-rule-keywords").NoOptDefVal = "all"
	f.BoolVar(&o.ips, "simulate-ips", false, "judge as if inline")
	f.StringVar(&o.rejectDev, "reject-dev", "", "send the answers of reject rules out of this `INTERFACE`")
	for i, c := range selectors {
		f.StringVar(&o.selected[i], c.option, "", c.doc)
		f.Lookup(c.option).NoOptDefVal = selectFirst
	}
	f.BoolVar(&o.pcapDelete, "pcap-file-delete", false, "with -r: delete each capture file once it was read")
	f.StringArrayVarP(&o.interfaces, "interface", "i", nil, "the same as --af-packet=`INTERFACE`; repeatable")
	f.StringArrayVarP(&o.queues, "queue", "q", nil, "judge the packets of this NFQUEUE `NUMBER`, or of a range such as 0:3; repeatable")
	f.BoolVar(&o.recursive, "pcap-file-recursive", false, "with -r FOLDER: its subfolders too")
	f.BoolVar(&o.continuous, "pcap-file-continuous", false, "with -r FOLDER: wait for new files")
	f.StringVarP(&o.filterFile, "filter-file", "F", "", "read a capture filter (BPF) from this `FILE`")
	f.StringVar(&o.unixSocket, "unix-socket", "", "wait for commands, and for capture files to read, on the socket `PATH`")
	f.Lookup("unix-socket").NoOptDefVal = selectFirst
	f.BoolVar(&o.noRandom, "no-random", false, "no random choice anywhere: runs are repeatable")
	f.StringVar(&o.dataDir, "data-dir", "", "`FOLDER` for state and caches")
	f.StringVar(&o.listKeywords, "list-keywords", "", "list the rule keywords; =csv for a table, or =NAME for one (`FORM`)")
	f.Lookup("list-keywords").NoOptDefVal = "all"
	f.BoolVar(&o.listProtos, "list-app-layer-protos", false, "list the application protocols")
	f.BoolVar(&o.listHooks, "list-app-layer-hooks", false, "list the rule hooks of the application protocols")
	f.BoolVar(&o.listFrames, "list-app-layer-frames", false, "list the frames of the application protocols, for the keyword frame")
	f.BoolVar(&o.listRunmodes, "list-runmodes", false, "list the run modes")
	f.BoolVar(&o.buildInfo, "build-info", false, "print how the program was built")
	f.BoolVar(&o.dumpConfig, "dump-config", false, "print the configuration as read, then exit")
	f.Uint64Var(&o.lossAt, "simulate-packet-loss", 0, "lose packet `NUMBER`")
	f.Uint64Var(&o.reassemblyAt, "simulate-packet-tcp-reassembly-memcap", 0, "no memory for the segment of packet `NUMBER`")
	f.Uint64Var(&o.sessionAt, "simulate-packet-tcp-ssn-memcap", 0, "no memory for the session of packet `NUMBER`")
	f.Uint64Var(&o.flowAt, "simulate-packet-flow-memcap", 0, "no memory for the flow of packet `NUMBER`")
	f.Uint64Var(&o.defragAt, "simulate-packet-defrag-memcap", 0, "no memory for the fragment of packet `NUMBER`")
	f.Int64Var(&o.errorTS, "simulate-applayer-error-at-offset-ts", -1, "parsers fail at this `OFFSET` to the server")
	f.Int64Var(&o.errorTC, "simulate-applayer-error-at-offset-tc", -1, "parsers fail at this `OFFSET` to the client")
	f.BoolVar(&o.alertQueue, "simulate-alert-queue-realloc-failure", false, "no memory for more alerts")
	f.MarkHidden("simulate-alert-queue-realloc-failure")
	f.BoolVarP(&o.daemon, "daemon", "D", false, "run in the background")
	f.StringVar(&o.pidFile, "pidfile", "", "write the process id into this `FILE`")
	f.StringVar(&o.user, "user", "", "run as this `USER` once all is open")
	f.StringVar(&o.group, "group", "", "run as this `GROUP` once all is open")
	addNotYet(f)
	if err := f.Parse(args); err != nil {
		return o, plainError(err)
	}
	o.filter = strings.Join(f.Args(), " ")
	switch o.checksums {
	case "", "all", "none", "auto":
	default:
		return o, fmt.Errorf("-k %s: use all, none or auto", o.checksums)
	}
	if o.unixSocket != "" {
		if _, live, _ := o.selection(); live || o.pcap != "" {
			return o, errors.New("--unix-socket takes capture files from its clients: leave out what else there is to read from")
		}
	}
	if o.rulesOnly != "" && o.rulesToo != "" {
		return o, errors.New("-s and -S exclude each other")
	}
	return o, nil
}

func usage(w io.Writer, o *options) error {
	_, err := fmt.Fprintf(w, `Sentinel %s - intrusion detection and prevention, with Suricata's rules and configuration

  sentinel -r FILE [-S RULES] [-l FOLDER]         judge a capture
  sentinel -c suricata.yaml --af-packet[=IF]      watch an interface
  sentinel -T -c suricata.yaml                    test configuration and rules
%s
Options:
%s`, sentinel.Version, subcommandLines(), optional.ReplaceAllStringFunc(o.flags.FlagUsagesWrapped(110), func(s string) string {
		m := optional.FindStringSubmatch(s)
		return fmt.Sprintf("%-*s", len(s), "[="+m[1]+"]")
	}))
	return err
}

// optional is how pflag writes the value of an option that can do without.
var optional = regexp.MustCompile(` ([A-Z]+)\[="[^"]*"\]`)

// library turns the command line into the library's options.
func (o *options) library(log *engineLog) (sentinel.Options, error) {
	opt := sentinel.Options{
		ConfigFile: o.config, Include: o.include, Set: o.set, NoDetection: o.noDetection, Strict: o.strict || o.test, Test: o.test, Analysis: o.analysis,
		LogDir: o.logDir, DataDir: o.dataDir, Checksums: o.checksums, IPS: o.ips, NoRandom: o.noRandom, RejectDevice: o.rejectDev,
		Workers: o.workers, RunMode: o.runmode, Log: log.Logger, StrictKeywords: o.keywordsFatal,
		Simulate: sentinel.Simulate{PacketLoss: o.lossAt, ReassemblyMemcap: o.reassemblyAt, SessionMemcap: o.sessionAt,
			FlowMemcap: o.flowAt, DefragMemcap: o.defragAt, AppErrorAt: [2]uint64{uint64(o.errorTS + 1), uint64(o.errorTC + 1)}, AlertQueue: o.alertQueue},
	}
	if o.checksums == "auto" {
		opt.Checksums = ""
	}
	if o.unixSocket != "" {
		opt.Queue = true
		if o.unixSocket != selectFirst {
			opt.Set = append(opt.Set[:len(opt.Set):len(opt.Set)], "unix-command.filename="+o.unixSocket)
		}
	}
	if o.rulesOnly != "" {
		opt.RuleFiles = []string{o.rulesOnly}
	}
	if o.rulesToo != "" {
		opt.MoreRuleFiles = []string{o.rulesToo}
	}
	if o.logDir != "" {
		st, err := os.Stat(o.logDir)
		if err != nil {
			return opt, fmt.Errorf("-l %s: %w", o.logDir, errors.Unwrap(err))
		}
		if !st.IsDir() {
			return opt, fmt.Errorf("-l %s: not a folder", o.logDir)
		}
	}
	return opt, nil
}

// tree reads the configuration as the engine will.
func (o *options) tree() (*conf.Tree, error) {
	if o.config != "" {
		t, _, err := conf.Load(o.config, conf.Options{Include: o.include, Set: o.set})
		return t, err
	}
	t, _, err := conf.Parse(etc.Config, "built-in configuration")
	for _, s := range o.set {
		err = errors.Join(err, t.Set(s))
	}
	return t, err
}

// outputDir is where logs go: -l, else default-log-dir of a configuration that was given, else the current folder.
func (o *options) outputDir(t *conf.Tree) string {
	if o.logDir != "" {
		return o.logDir
	}
	if o.config != "" {
		if d := t.Get("default-log-dir").Str(""); d != "" {
			return d
		}
	}
	return "."
}

// open opens what the command line says to read from.
func (o *options) open(e *sentinel.Engine, del *deleter) ([]capture.Source, error) {
	filter, err := o.bpf(e)
	if err != nil {
		return nil, err
	}
	sel, live, err := o.selection()
	switch {
	case err != nil:
		return nil, err
	case o.pcap != "":
		p := pcapfile.Options{Filter: filter.frames(e.Warn), Report: func(err error) { e.Warn(err.Error()) }, Done: del.done}
		if err := o.directory(e.Config().Root(), &p); err != nil {
			return nil, err
		}
		s, err := pcapfile.Open(o.pcap, p)
		if err != nil {
			return nil, err
		}
		return []capture.Source{s}, nil
	case live:
		if filter != nil {
			sel.Filter = filter.String()
		}
		return e.Open(sel)
	}
	return nil, errors.New("nothing to read from: use -r FILE, --af-packet[=INTERFACE] or -q QUEUE")
}
