package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"sentinel"
)

// control opens the control socket if the configuration wants one. The result closes it.
func (o *options) control(e *sentinel.Engine, svc *service) (func(), error) {
	none := func() {}
	if !o.controlled(e) {
		return none, nil
	}
	closeIt, err := o.listen(e, svc)
	if err == nil {
		return closeIt, nil
	}
	if o.strict || e.Config().Get("engine.init-failure-fatal").IsTrue() {
		return none, err
	}
	svc.log.say(levelWarning, "unix-manager", err.Error()+": the engine runs without one")
	return none, nil
}

// controlled reports whether there is to be a control socket: auto means where a network is watched.
func (o *options) controlled(e *sentinel.Engine) bool {
	n := e.Config().Get("unix-command.enabled")
	if strings.EqualFold(n.Str(""), "auto") {
		return o.pcap == ""
	}
	return n.IsTrue()
}

func (o *options) listen(e *sentinel.Engine, svc *service) (func(), error) {
	name := e.Config().Get("unix-command.filename").Str("")
	path := sentinel.ControlPath(name)
	if o.unixSocket != "" && o.unixSocket != selectFirst {
		path = o.unixSocket // as a shell understands it
	}
	if dir := filepath.Dir(path); dir == sentinel.ControlDir {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, errors.New("cannot make the folder of the control socket: " + err.Error() +
				": choose another path with unix-command.filename")
		}
	}
	s, err := e.Control(sentinel.Control{Path: path, Shutdown: func() { svc.stop("the control socket asks for it") }, Reopen: svc.log.reopen})
	if err != nil {
		return nil, err
	}
	svc.log.say(levelInfo, "unix-manager", "unix socket '"+path+"'")
	return func() {
		if err := s.Close(); err != nil {
			svc.log.say(levelWarning, "unix-manager", "cannot remove the control socket: "+err.Error())
		}
	}, nil
}

// serve is the engine's run where clients name the capture files.
func (o *options) serve(ctx context.Context, e *sentinel.Engine, svc *service) int {
	log := svc.log
	filter, err := o.bpf(e)
	if err != nil {
		return log.fatal(errors.Join(err, e.Close()))
	}
	closeControl, err := o.listen(e, svc)
	if err != nil {
		return log.fatal(errors.Join(err, e.Close()))
	}
	if err := svc.confine(e); err != nil {
		closeControl()
		return log.fatal(errors.Join(err, e.Close()))
	}
	signals := svc.signals(e)
	log.notice("Engine started, waiting for commands.")
	err = errors.Join(e.ServeFiles(ctx, filter.frames(e.Warn)), svc.failed(ctx))
	closeControl()
	signals()
	if err = errors.Join(err, e.Close()); err != nil {
		return log.fatal(err)
	}
	return 0
}
