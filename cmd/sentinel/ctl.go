package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peterh/liner"
	"github.com/spf13/pflag"

	"sentinel"
	"sentinel/internal/control"
)

// ctl talks to a running engine: one command of -c, or those that are typed.
func ctl(args []string, stdout, stderr io.Writer) int {
	f := pflag.NewFlagSet("ctl", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	socket := f.StringP("socket", "s", "", "`PATH` of the control socket (default "+sentinel.ControlPath("")+")")
	command := f.StringP("command", "c", "", "send one `COMMAND` with its arguments, print the reply as it comes, and exit: with 1 unless it is OK")
	fail := func(err error) int {
		fmt.Fprintf(stderr, "sentinel ctl: %v\n", err)
		return 1
	}
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		_, err := fmt.Fprintf(stdout, "sentinel ctl [--socket PATH] [-c 'COMMAND ARGUMENTS']\n\n%s\nWithout -c it reads commands; help lists them.\n", f.FlagUsages())
		return finish(toStdout(err), stderr)
	case err != nil:
		return fail(fmt.Errorf("%w\nTry 'sentinel ctl --help'.", err))
	case f.NArg() > 1 || f.NArg() == 1 && *socket != "":
		return fail(errors.New("too many arguments: a command and its arguments are one word behind -c"))
	case f.NArg() == 1:
		*socket = f.Arg(0) // as suricatasc takes it
	}
	path := sentinel.ControlPath("")
	if *socket != "" {
		path = *socket
	}
	once := f.Changed("command")
	var r control.Request
	if once { // what cannot be sent needs no engine
		var err error
		if r, err = control.Parse(*command); err != nil {
			return fail(err)
		}
	}
	c, err := control.Dial(path)
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	if !once {
		return prompt(c, path, stdout, stderr)
	}
	a, err := c.Do(r)
	if err != nil {
		return fail(err)
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", a.Raw); err != nil {
		return finish(toStdout(err), stderr)
	}
	if !a.OK {
		return 1
	}
	return 0
}

// prompt reads commands from the terminal, or from a pipe, until there are no more.
func prompt(c *control.Client, path string, stdout, stderr io.Writer) int {
	names, err := c.Commands()
	if err != nil {
		fmt.Fprintf(stderr, "sentinel ctl: %v\n", err)
		return 1
	}
	known := append(slices.Clone(names), "help", "quit")
	slices.Sort(known)
	known = slices.Compact(known)
	l := liner.NewLiner()
	defer l.Close()
	l.SetCtrlCAborts(true)
	l.SetTabCompletionStyle(liner.TabPrints)
	l.SetCompleter(func(line string) (out []string) {
		for _, n := range known {
			if strings.HasPrefix(n, line) {
				out = append(out, n+" ")
			}
		}
		if len(out) == 0 {
			out = completePath(line)
		}
		return out
	})
	history := historyFile()
	if f, err := os.Open(history); err == nil {
		_, _ = l.ReadHistory(f)
		f.Close()
	}
	defer saveHistory(l, history)
	for {
		line, err := l.Prompt(">>> ")
		if err != nil { // the end, or Ctrl-C
			fmt.Fprintln(stdout)
			return 0
		}
		line = strings.TrimSpace(line)
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "":
			continue
		case "quit", "exit":
			return 0
		case "help":
			l.AppendHistory(line)
			for _, n := range known {
				fmt.Fprintf(stdout, "  %s\n", control.Usage(n))
			}
			continue
		}
		l.AppendHistory(line)
		r, err := control.Parse(line)
		if err == nil && !slices.Contains(names, r.Command) {
			err = fmt.Errorf("there is no command %s here: help lists those that there are", r.Command)
		}
		if err != nil {
			fmt.Fprintln(stdout, err)
			continue
		}
		a, err := c.Do(r)
		if err != nil { // it may have been started anew
			c.Close()
			again, derr := control.Dial(path)
			if derr != nil {
				fmt.Fprintf(stderr, "sentinel ctl: %v\n", derr)
				return 1
			}
			*c = *again
			if a, err = c.Do(r); err != nil {
				fmt.Fprintf(stderr, "sentinel ctl: %v\n", err)
				return 1
			}
		}
		show(stdout, a)
		if a.OK && r.Command == "shutdown" {
			return 0
		}
	}
}

// show prints a reply for people.
func show(w io.Writer, a control.Answer) {
	if !a.OK {
		fmt.Fprintf(w, "Error:\n%s\n", a.Message)
		return
	}
	var b bytes.Buffer
	if json.Indent(&b, a.Message, "", "  ") != nil {
		b.Reset()
		b.Write(a.Message)
	}
	fmt.Fprintf(w, "Success:\n%s\n", b.Bytes())
}

// completePath completes the last word of a line as the name of a file.
func completePath(line string) (out []string) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 || !strings.HasPrefix(line[i+1:], "/") {
		return nil
	}
	found, _ := filepath.Glob(strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(line[i+1:]) + "*")
	for _, f := range found[:min(len(found), 500)] {
		if st, err := os.Stat(f); err == nil && st.IsDir() {
			f += "/"
		}
		out = append(out, line[:i+1]+f)
	}
	return out
}

// historyFile is where the typed commands are kept; "" = nowhere.
func historyFile() string {
	d, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(d, "sentinel", "ctl-history")
}

func saveHistory(l *liner.State, path string) {
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = l.WriteHistory(f)
}
