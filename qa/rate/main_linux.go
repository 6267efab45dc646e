package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside says, in the environment, that the program is in a network namespace of its own.
const inside = "SENTINEL_RATE_INSIDE"

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	args := os.Args[2:]
	var err error
	switch os.Args[1] {
	case "search":
		err = apart(func() error { return search(args) })
	case "inline":
		err = apart(func() error { return inline(args) })
	case "host": // a namespace that lasts as long as standard input
		_, _ = os.Stdin.Read(make([]byte, 1))
	case "in":
		err = in(args)
	case "echo":
		err = echo(args)
	case "probe":
		err = probe(args)
	default:
		usage()
	}
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "rate: %v\n", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: rate search|inline [-h] [options]")
	os.Exit(2)
}

// apart runs f in a network namespace of the process's own: it starts the program again, in one. Whatever way this process ends, the other
// one and what that has started end too.
func apart(f func() error) error {
	if os.Getenv(inside) != "" {
		return f()
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the child is told when this thread ends
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	if errors.Is(err, syscall.EPERM) {
		return errors.New("cannot make a network namespace: run as root")
	}
	return err
}

// in runs a program in the namespace of a process.
func in(args []string) error {
	runtime.LockOSThread()
	fd, err := unix.Open("/proc/"+args[0]+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return err
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	// A host's threads are not pinned, whatever the one that starts it is.
	return syscall.Exec(path, args[1:], os.Environ())
}

// commonFlags are the options of all measurements.
type commonFlags struct {
	engine, peer, rules, tags, keep string
	repeats                         int
	seconds                         float64
}

func (c *commonFlags) define(f *flag.FlagSet) {
	f.StringVar(&c.engine, "engine", "", "the program; empty = build it")
	f.StringVar(&c.tags, "tags", "", "with which tags to build it")
	f.StringVar(&c.peer, "peer", "../shared/tools/peer.sh", "Suricata; empty = without it")
	f.StringVar(&c.rules, "rules", "../shared/rules/et-open.rules", "file of rules; empty = none")
	f.StringVar(&c.keep, "keep", "", "folder for what the engines write; empty = it is removed")
}

// prepare builds what is to be measured, and makes paths absolute. It returns a folder, and what removes that.
func (c *commonFlags) prepare() (dir string, done func(), err error) {
	done = func() {}
	if dir = c.keep; dir == "" {
		if dir, err = os.MkdirTemp("", "sentinel-rate"); err != nil {
			return "", done, err
		}
		made := dir
		done = func() { os.RemoveAll(made) }
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", done, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", done, err
	}
	if c.engine == "" {
		c.engine = filepath.Join(dir, "sentinel")
		cmd := exec.Command("go", "build", "-tags", c.tags, "-o", c.engine, "./cmd/sentinel")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return "", done, fmt.Errorf("cannot build the engine: %w", err)
		}
	}
	for _, p := range []*string{&c.engine, &c.peer, &c.rules} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return "", done, err
		}
		if _, err := os.Stat(*p); err != nil {
			return "", done, err
		}
	}
	if c.rules == "" {
		c.rules = filepath.Join(dir, "none.rules")
		if err := os.WriteFile(c.rules, nil, 0o600); err != nil {
			return "", done, err
		}
	}
	return dir, done, nil
}

// affinity pins all threads of a process.
func affinity(pid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	for range 2 { // a thread may have been made meanwhile
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("cannot pin thread %d: %w", tid, err)
			}
		}
	}
	return nil
}
