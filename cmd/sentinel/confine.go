package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sentinel"
	"sentinel/internal/conf"
	"sentinel/internal/daemon"
)

// needs are the capabilities that ways of capturing need once their sockets are open: to come back after an interface was down, and
// to change what the kernel does for them.
var needs = map[string][]daemon.Capability{
	"af-packet": {daemon.NetRaw, daemon.NetAdmin},
	"af-xdp":    {daemon.NetRaw, daemon.NetAdmin, daemon.BPF, daemon.IPCLock},
	"dpdk":      {daemon.NetRaw, daemon.NetAdmin, daemon.IPCLock, daemon.RawIO},
	"nfq":       {daemon.NetAdmin, daemon.NetRaw},
	"pcap":      {daemon.NetRaw, daemon.NetAdmin},
}

// confine gives up what the process does not need once all is open: first the user, then folders, then new processes.
func (s *service) confine(e *sentinel.Engine) error {
	s.status = s.describe(e)
	if !ownProcess {
		return nil
	}
	if s.id != nil {
		if err := s.drop(e); err != nil {
			return err
		}
	}
	if s.root.Get("security.landlock.enabled").IsTrue() {
		read, write := s.folders(e)
		switch err := daemon.Landlock(read, write); {
		case errors.Is(err, daemon.ErrNoLandlock):
			s.log.say(levelWarning, "landlock", err.Error())
		case err != nil:
			return err
		default:
			for _, d := range read {
				s.log.say(levelConfig, "landlock", fmt.Sprintf("Added read permission to '%s'", d))
			}
			for _, d := range write {
				s.log.say(levelConfig, "landlock", fmt.Sprintf("Added write permission to '%s'", d))
			}
		}
	}
	if s.root.Get("security.limit-noproc").IsTrue() {
		if err := daemon.NoProcesses(); err != nil {
			s.log.say(levelInfo, "security", fmt.Sprintf("limit-noproc: cannot forbid new processes: %v", err))
		}
	}
	return nil
}

// drop makes the process run as the user that was asked for.
func (s *service) drop(e *sentinel.Engine) error {
	sel, live, _ := s.o.selection()
	var keep []daemon.Capability
	if live {
		keep = needs[sel.Driver]
		if sel.Driver == "af-packet" { // when it opens its sockets again, all of this is asked for again
			walk(s.root.Get("af-packet"), func(n *conf.Node, value string) {
				switch {
				case n.Name() == "mmap-locked" && n.IsTrue():
					keep = append(slices.Clone(keep), daemon.IPCLock)
				case n.Name() == "cluster-type" && value == "cluster_ebpf", strings.HasPrefix(n.Name(), "ebpf-"):
					keep = append(slices.Clone(keep), daemon.BPF)
				}
			})
		}
		if s.root.Get("threading.set-cpu-affinity").IsTrue() {
			keep = append(slices.Clone(keep), daemon.SysNice)
		}
		if e.UsesMaps() && !slices.Contains(keep, daemon.BPF) {
			keep = append(slices.Clone(keep), daemon.BPF, daemon.NetAdmin)
		}
	}
	if s.pid != nil {
		if err := s.pid.Prepare(s.id.UID, s.id.GID); err != nil {
			return err
		}
	}
	if err := daemon.GiveOpenFiles(s.id); err != nil {
		s.log.say(levelWarning, "sentinel", err.Error())
	}
	for _, dir := range s.own(e) {
		_ = os.MkdirAll(dir, 0o755) // the user may not; what cannot be made is complained of by whoever needs it
		if err := daemon.GiveFolder(dir, s.id); err != nil {
			s.log.say(levelWarning, "sentinel", fmt.Sprintf("%v: log files cannot be opened anew after a rotation", err))
		}
	}
	if err := daemon.Drop(s.id, keep); err != nil {
		return fmt.Errorf("cannot run as %s: %w", s.id, err)
	}
	s.coreLimit() // to change the user has forbidden core files
	s.log.say(levelInfo, "sentinel", fmt.Sprintf("running as %s", s.id))
	for _, f := range e.RuleFiles() {
		if r, err := os.Open(f); errors.Is(err, os.ErrPermission) {
			s.log.say(levelWarning, "sentinel", fmt.Sprintf("%v: a reload will fail for the user %s", err, s.id.User))
		} else if err == nil {
			r.Close()
		}
	}
	return nil
}

// own are the folders that the engine writes to.
func (s *service) own(e *sentinel.Engine) []string {
	list := []string{e.LogDir()}
	if filepath.Dir(s.socket) == sentinel.ControlDir { // to remove it in the end
		list = append(list, sentinel.ControlDir)
	}
	if s.o.dataDir != "" || s.root.Get("default-data-dir").Exists() {
		list = append(list, e.StateDirs()...)
	}
	walk(s.root.Get("outputs"), func(n *conf.Node, value string) {
		if n.Name() == "dir" {
			list = append(list, under(e.LogDir(), value))
		}
	})
	return list
}

// folders are those that the engine may open files in later on: for a reload, for a rotation, and what the user adds.
func (s *service) folders(e *sentinel.Engine) (read, write []string) {
	read = append(s.root.Get("security.landlock.directories.read").Strings(), "/proc", "/sys")
	write = append(s.root.Get("security.landlock.directories.write").Strings(), s.own(e)...)
	for _, d := range e.StateDirs() {
		_ = os.MkdirAll(d, 0o755) // where the process may; without it nothing is kept there
		write = append(write, d)
	}
	if s.pid != nil {
		write = append(write, filepath.Dir(s.pid.Path()))
	}
	if s.socket != "" {
		write = append(write, filepath.Dir(s.socket))
	}
	for _, f := range append(e.RuleFiles(), s.o.config, s.o.filterFile) {
		if f != "" {
			read = append(read, filepath.Dir(f))
		}
	}
	for _, f := range s.o.include {
		read = append(read, filepath.Dir(f))
	}
	if f := s.o.pcap; f != "" && f != "-" {
		dir := f
		if st, err := os.Stat(f); err != nil || !st.IsDir() {
			dir = filepath.Dir(f)
		}
		read = append(read, dir)
		if s.o.pcapDelete || s.root.Get("pcap-file.delete-when-done").IsTrue() {
			write = append(write, dir)
		}
	}
	if !s.root.Get("unix-command.enabled").IsFalse() {
		write = append(write, "/var/run/sentinel") // of the control socket
	}
	// Whatever file the configuration names may be needed again.
	walk(s.root, func(n *conf.Node, value string) {
		if strings.HasPrefix(n.Path(), "security.") {
			return
		}
		switch n.Name() {
		case "filename", "state", "save":
			if dir := filepath.Dir(value); filepath.IsAbs(value) {
				write = append(write, dir)
			} else if dir != "." && strings.HasPrefix(n.Path(), "outputs.") {
				write = append(write, filepath.Join(e.LogDir(), dir))
			}
		default:
			if !filepath.IsAbs(value) || strings.ContainsAny(value, "*[ ") {
				return
			}
			if st, err := os.Stat(value); err != nil {
				return
			} else if !st.IsDir() {
				value = filepath.Dir(value)
			}
			read = append(read, value)
		}
	})
	if sel, live, _ := s.o.selection(); live && sel.Driver == "af-xdp" {
		write = append(write, "/sys/fs/bpf")
	}
	return tidy(read), tidy(write)
}

// under returns a path as it is meant in a folder.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// tidy drops what is there twice, and the root folder, which nobody means.
func tidy(list []string) []string {
	for i := range list {
		list[i] = filepath.Clean(list[i])
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "/" })
}

// walk calls f for every scalar below a node.
func walk(n *conf.Node, f func(n *conf.Node, value string)) {
	if v, ok := n.Value(); ok && v != "" {
		f(n, v)
	}
	for _, c := range n.Children() {
		walk(c, f)
	}
}

// watchdog keeps the service manager's watchdog quiet while the workers get on.
func (s *service) watchdog(e *sentinel.Engine) func() {
	return s.notify.Watchdog(func() bool { return !e.Stalled() })
}

// failed is why the run was ended from inside, or nil.
func (s *service) failed(ctx context.Context) error {
	if err := context.Cause(ctx); err != context.Canceled {
		return err
	}
	return nil
}
