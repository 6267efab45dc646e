package main

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sentinel"
)

// configuration reads the configuration as the engine will.
func (d *doctor) configuration() {
	const area = "configuration"
	tree, err := d.o.tree()
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			d.fail(area, line, "the engine would not start", "")
		}
		return
	}
	d.root = tree.Root()
	d.home = d.o.outputDir(tree)
	if d.o.config == "" {
		d.ok(area, "the built-in one is used, as none is named with -c")
		return
	}
	d.ok(area, "%s is readable", d.o.config)
}

// rules loads the rules as the engine will, and throws them away.
func (d *doctor) rules() {
	const area = "rules"
	if d.o.noDetection {
		d.ok(area, "none are run: --disable-detection")
		return
	}
	said := &errorsOnly{}
	opt := sentinel.Options{ConfigFile: d.o.config, Include: d.o.include, Set: d.o.set, NoLogs: true, DataDir: d.o.dataDir, Checksums: d.o.checksums,
		LogDir: d.home, Log: zerolog.New(said).Level(zerolog.WarnLevel)}
	if d.o.rulesOnly != "" {
		opt.RuleFiles = []string{d.o.rulesOnly}
	}
	if d.o.rulesToo != "" {
		opt.MoreRuleFiles = []string{d.o.rulesToo}
	}
	if opt.Checksums == "auto" {
		opt.Checksums = ""
	}
	e, err := sentinel.New(opt)
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			d.fail(area, line, "the engine would not start", "")
		}
		return
	}
	defer e.Close()
	l := e.Loaded()
	switch {
	case l.Failed > 0:
		what := fmt.Sprintf("%s of %d cannot be used", plural(l.Failed, "rule"), l.Rules+l.Failed)
		for i, text := range l.Errors {
			if i == 5 {
				what += "\n…"
				break
			}
			what += "\n" + text
		}
		d.warn(area, what, "what they look for is not found", d.again("-T"))
	case l.Rules == 0:
		d.warn(area, "no rule is loaded", "nothing is alerted or dropped", "name files in rule-files, or one with -S")
	default:
		d.ok(area, "%s from %s", plural(l.Rules, "rule"), plural(l.Files, "file"))
	}
	for _, text := range said.lines {
		d.warn(area, text, "the engine says so at start", "")
	}
}

// again is the command line that was examined, with another option.
func (d *doctor) again(option string) string {
	s := "sentinel " + option
	if d.o.config != "" {
		s += " -c " + d.o.config
	}
	if d.o.rulesOnly != "" {
		s += " -S " + d.o.rulesOnly
	}
	return s
}

// errorsOnly keeps the messages that name files that cannot be read.
type errorsOnly struct{ lines []string }

// maxSaid bounds the messages that are repeated.
const maxSaid = 10

// Write implements io.Writer; it takes one message in JSON.
func (e *errorsOnly) Write(b []byte) (int, error) {
	text := string(b)
	_, after, ok := strings.Cut(text, `"message":"`)
	if ok && len(e.lines) < maxSaid && (strings.Contains(after, "no such file") || strings.Contains(after, "cannot open") || strings.Contains(after, "cannot read")) {
		after, _, _ = strings.Cut(after, `"}`)
		e.lines = append(e.lines, strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(after), `"`), `\"`, `"`))
	}
	return len(b), nil
}

// lowSpace is how little room for logs is worth a warning.
const lowSpace = 1 << 30

// logs looks at the folder that logs go to.
func (d *doctor) logs() {
	const area = "logs"
	st, err := os.Stat(d.home)
	switch {
	case err != nil:
		d.fail(area, err.Error(), "there is no place for events", "mkdir -p "+d.home)
		return
	case !st.IsDir():
		d.fail(area, d.home+" is not a folder", "there is no place for events", "choose another one with -l")
		return
	}
	if err := writable(d.home); err != nil {
		d.fail(area, fmt.Sprintf("%s is not writable: %v", d.home, err), "events cannot be written", "chown $(id -u) "+d.home)
		return
	}
	free, inodes, err := space(d.home)
	switch {
	case err != nil:
		d.ok(area, "%s is writable", d.home)
	case free < lowSpace:
		d.warn(area, fmt.Sprintf("%s has %s left", d.home, size(free)), "a busy network fills that in minutes, and events are lost then",
			"make room, or choose another folder with -l")
	case inodes == 0:
		d.warn(area, d.home+" has no room for more files", "logs cannot be rotated, and files not be stored", "delete some")
	default:
		d.ok(area, "%s is writable, %s are free", d.home, size(free))
	}
}

// socket looks whether the place of the control socket is free.
func (d *doctor) socket() {
	const area = "control socket"
	n := d.root.Get("unix-command")
	if n.Get("enabled").IsFalse() || !n.Exists() {
		return
	}
	path := sentinel.ControlPath(n.Get("filename").Str(""))
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		// It is not there, as it should be. Whether the folder is matters only where it was asked for.
		if _, err := os.Stat(filepath.Dir(path)); err != nil && n.Get("enabled").IsTrue() {
			d.warn(area, err.Error(), "the engine cannot be asked anything while it runs", "mkdir -p "+filepath.Dir(path))
			return
		}
		d.ok(area, "%s is free", path)
	case st.Mode()&os.ModeSocket == 0:
		d.fail(area, path+" is there and is no socket", "the control socket cannot be made", "mv "+path+" elsewhere")
	default:
		c, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			d.ok(area, "%s is left over from a run that has ended, and will be replaced", path)
			return
		}
		c.Close()
		d.fail(area, "another program answers at "+path, "two engines cannot have one control socket", "stop the other one, or set unix-command.filename")
	}
}

// user looks whether there is the user to run as.
func (d *doctor) user() {
	const area = "user"
	run := d.root.Get("run-as")
	name, group := run.Get("user").Str(""), run.Get("group").Str("")
	if name != "" {
		if _, err := user.Lookup(name); err != nil {
			d.fail(area, fmt.Sprintf("there is no user %s, which run-as names", name), "the engine would not give up its rights", "useradd --system --no-create-home "+name)
		} else {
			d.ok(area, "%s exists", name)
		}
	}
	if group != "" {
		if _, err := user.LookupGroup(group); err != nil {
			d.fail(area, fmt.Sprintf("there is no group %s, which run-as names", group), "the engine would not give up its rights", "groupadd --system "+group)
		} else {
			d.ok(area, "group %s exists", group)
		}
	}
}
