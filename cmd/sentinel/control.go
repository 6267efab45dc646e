package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"sentinel"
)

// answer opens the control socket if the configuration wants one. The result closes it.
func (s *service) answer(e *sentinel.Engine) (func(), error) {
	none := func() {}
	if !s.o.controlled(e) {
		return none, nil
	}
	closeIt, err := s.listen(e)
	if err == nil {
		return closeIt, nil
	}
	if s.o.strict || e.Config().Get("engine.init-failure-fatal").IsTrue() {
		return none, err
	}
	s.log.say(levelWarning, "unix-manager", err.Error()+": the engine runs without one")
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

// listen opens the control socket. The process may do then what it may do at start.
func (s *service) listen(e *sentinel.Engine) (func(), error) {
	path := sentinel.ControlPath(e.Config().Get("unix-command.filename").Str(""))
	if p := s.o.unixSocket; p != "" && p != selectFirst {
		path = p // as a shell understands it
	}
	if dir := filepath.Dir(path); dir == sentinel.ControlDir {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, errors.New("cannot make the folder of the control socket: " + err.Error() +
				": choose another path with unix-command.filename")
		}
	}
	c := sentinel.Control{Path: path, Shutdown: func() { s.stop("the control socket asks for it") }, Reopen: s.log.reopen}
	if s.id != nil {
		c.Chown, c.UID, c.GID = true, s.id.UID, s.id.GID
	}
	server, err := e.Control(c)
	if err != nil {
		return nil, err
	}
	s.socket = path
	s.log.say(levelInfo, "unix-manager", "unix socket '"+path+"'")
	return func() {
		if err := server.Close(); err != nil {
			s.log.say(levelWarning, "unix-manager", "cannot remove the control socket: "+err.Error())
		}
	}, nil
}

// serve is the engine's run where clients name the capture files.
func (s *service) serve(ctx context.Context, e *sentinel.Engine) int {
	fail := func(err error) int { return s.log.fatal(errors.Join(err, e.Close())) }
	filter, err := s.o.bpf(e)
	if err != nil {
		return fail(err)
	}
	closeControl, err := s.listen(e)
	if err != nil {
		return fail(err)
	}
	defer closeControl()
	if err := s.confine(e); err != nil {
		return fail(err)
	}
	defer s.signals(e)()
	defer s.watchdog(e)()
	s.up()
	s.log.notice("Engine started, waiting for commands.")
	err = errors.Join(e.ServeFiles(ctx, filter.frames(e.Warn)), s.failed(ctx))
	closeControl()
	if err = errors.Join(err, e.Close()); err != nil {
		return s.log.fatal(err)
	}
	return 0
}
