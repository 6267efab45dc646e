package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sentinel"
	"sentinel/internal/conf"
	"sentinel/internal/daemon"
)

// ownProcess says that the program runs as a process of its own, so that it may give up rights of the whole process. It is false
// where tests call run.
var ownProcess bool

// stopLimit is how long the end of a run may take after the signal.
var stopLimit = 60 * time.Second

// service is the run as a part of its system: in the background or under a manager, with a pid file and as a user.
type service struct {
	o      *options
	log    *engineLog
	root   *conf.Node
	parent *daemon.Parent
	pid    *daemon.PidFile
	id     *daemon.Identity // nil = stays as it is
	notify *daemon.Notifier
	status string
	socket string // of control; empty = none
	cancel context.CancelCauseFunc
	// SIGUSR2 and SIGHUP. They are taken from the start on: while rules are compiled, too, they must not end the process.
	control chan os.Signal
}

// background starts the program in the background if that is asked for. done is false in that process, and where nothing is asked for.
func (o *options) background(stderr io.Writer) (status int, done bool) {
	if !o.daemon || o.test || o.analysis {
		return 0, false
	}
	if o.parent = daemon.Waiting(); o.parent != nil {
		return 0, false
	}
	if o.pcap != "" {
		return finish(errors.New("-D and -r exclude each other: a file is read in the foreground"), stderr), true
	}
	if !daemon.CanBackground {
		return finish(errors.New("-D: there are no background processes on this system: use its service manager"), stderr), true
	}
	status, err := daemon.Background()
	if err != nil {
		finish(err, stderr)
	}
	return status, true
}

// absolute makes the names of files on the command line good for any working folder, as a process in the background has another one.
func (o *options) absolute() error {
	if !o.daemon {
		return nil
	}
	if tree, err := o.tree(); o.logDir == "" && err == nil && o.outputDir(tree) == "." {
		o.logDir = "." // of the start
	}
	list := []*string{&o.config, &o.rulesOnly, &o.rulesToo, &o.logDir, &o.dataDir, &o.filterFile, &o.pidFile}
	if o.unixSocket != selectFirst {
		list = append(list, &o.unixSocket)
	}
	for i := range o.include {
		list = append(list, &o.include[i])
	}
	for _, s := range list {
		if *s == "" {
			continue
		}
		path, err := filepath.Abs(*s)
		if err != nil {
			return err
		}
		*s = path
	}
	return nil
}

// service reads what the configuration says of the process, and does what must be done before anything is opened.
func (o *options) service(log *engineLog, tree *conf.Tree) (*service, error) {
	s := &service{o: o, log: log, root: tree.Root(), parent: o.parent}
	user, group := o.user, o.group
	if user == "" {
		user = s.root.Get("run-as.user").Str("")
	}
	if group == "" {
		group = s.root.Get("run-as.group").Str("")
	}
	var errs []error
	if user != "" || group != "" {
		id, err := daemon.Resolve(user, group)
		if err != nil {
			errs = append(errs, err)
		} else if s.id = id; s.id.Current() {
			s.id = nil
		} else if os.Geteuid() != 0 {
			errs = append(errs, fmt.Errorf("only root can run as user %s: leave out --user, --group and run-as, or start as root", id))
		}
	}
	mask, err := umask(s.root)
	errs = append(errs, err)
	if o.test || o.analysis {
		return s, errors.Join(errs...)
	}
	path := o.pidFile
	if path == "" && o.daemon {
		path = s.root.Get("pid-file").Str("")
	}
	if path != "" {
		stale, err := daemon.CheckPid(path)
		errs = append(errs, err)
		if stale {
			log.say(levelInfo, "pidfile", fmt.Sprintf("%s was left by a process that is gone; it is replaced", path))
		}
		s.pid = daemon.NewPidFile(path)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if mask >= 0 {
		daemon.Umask(mask)
	}
	s.coreLimit()
	if o.daemon {
		dir := s.root.Get("daemon-directory").Str("/")
		if err := os.Chdir(dir); err != nil {
			return nil, fmt.Errorf("daemon-directory: %w", err)
		}
	}
	if ownProcess {
		s.control = make(chan os.Signal, 4)
		signal.Notify(s.control, signalReload, signalReopen)
		s.notify = daemon.NewNotifier()
		s.notify.Status("Reading rules")
	}
	return s, nil
}

// umask reads the key of this name, in octal as chmod has it; -1 = it is not set.
func umask(root *conf.Node) (int, error) {
	n := root.Get("umask")
	text := n.Str("")
	if text == "" {
		return -1, nil
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || v > 0o777 {
		return -1, fmt.Errorf("%s: umask: %q is not an octal number up to 777", n.Pos(), text)
	}
	return int(v), nil
}

// coreLimit carries out coredump.max-dump: a size, or unlimited.
func (s *service) coreLimit() {
	n := s.root.Get("coredump.max-dump")
	text := n.Str("")
	if text == "" || !ownProcess {
		return
	}
	size := int64(-1)
	if text != "unlimited" {
		v, err := n.SizeMax(0, 1<<62)
		if err != nil {
			s.log.say(levelWarning, "coredump-config", err.Error())
			return
		}
		size = int64(v)
	}
	if err := daemon.CoreLimit(size); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.log.say(levelWarning, "coredump-config", fmt.Sprintf("cannot set the size of core files: %v", err))
	}
}

// context ends with the first SIGINT or SIGTERM. With the second one, or when the end takes too long, the process ends at once.
func (s *service) context() (ctx context.Context, stop func()) {
	ctx, s.cancel = context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var late <-chan time.Time
		for {
			select {
			case <-quit:
				return
			case <-late:
				s.abandon(fmt.Sprintf("the end takes longer than %v: what is not written by now is lost", stopLimit))
			case sig := <-signals:
				if late != nil {
					s.abandon("a second signal: what is not written by now is lost")
				}
				s.log.say(levelNotice, "sentinel", "Signal Received.  Stopping engine.")
				s.stop(fmt.Sprintf("the signal is %v", sig))
				late = time.After(stopLimit)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		s.cancel(nil)
		s.pid.Remove()
	}
}

// stop ends the run, and tells why.
func (s *service) stop(why string) {
	s.log.say(levelInfo, "sentinel", why)
	s.notify.Stopping("Writing what is left")
	s.cancel(nil)
}

// abandon ends the process without waiting for anything.
func (s *service) abandon(why string) {
	s.log.error(why)
	s.pid.Remove()
	exit(1)
}

// exit is os.Exit, but in tests.
var exit = os.Exit

// up is called when the workers are there: whoever waits for the program to be up is told.
func (s *service) up() {
	if err := s.pid.Write(); err != nil {
		s.cancel(err)
		return
	}
	s.notify.Ready(s.status)
	if err := s.parent.Up(); err != nil {
		s.log.say(levelWarning, "daemon", fmt.Sprintf("cannot go into the background: %v", err))
	}
}

// describe says what the engine does, for the service manager.
func (s *service) describe(e *sentinel.Engine) string {
	var names []string
	for _, i := range e.InterfaceStats() {
		names = append(names, i.Name)
	}
	what := "Reading " + s.o.pcap
	if s.o.unixSocket != "" {
		what = "Waiting for commands on " + s.socket
	}
	if len(names) > 0 {
		what = "Capturing on " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s with %d rules", what, e.Loaded().Rules)
}

// signals lets SIGUSR2 reload the rules and SIGHUP open the logs anew. The result ends that.
func (s *service) signals(e *sentinel.Engine) func() {
	c := s.control
	if c == nil {
		c = make(chan os.Signal, 4)
		signal.Notify(c, signalReload, signalReopen)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sig := range c {
			if sig == signalReload {
				s.reload(e)
				continue
			}
			s.log.reopen()
			if err := e.Reopen(); err != nil {
				s.log.error(err.Error())
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(c)
		<-done
	}
}

// reload reads the rules again.
func (s *service) reload(e *sentinel.Engine) {
	s.notify.Reloading("Reading rules")
	defer func() { s.notify.Ready(s.describe(e)) }()
	_ = e.ReloadAndReport()
}

// interfaces tells what each interface has brought, in the form that Suricata's users know from the end of its log.
func (s *service) interfaces(e *sentinel.Engine) {
	for _, i := range e.InterfaceStats() {
		lost := 0.0
		if i.Drops > 0 {
			lost = 100 * float64(i.Drops) / float64(i.Packets+i.Drops)
		}
		s.log.say(levelNotice, "device", fmt.Sprintf("%s: packets: %d, drops: %d (%.2f%%), invalid chksum: %d", i.Name, i.Packets, i.Drops, lost,
			i.InvalidChecksums))
	}
}
