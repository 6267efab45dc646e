package dpdk

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sentinel/internal/conf"
)

// EAL is what the environment layer of DPDK is started with.
type EAL struct {
	Args   []string // without the program's name
	NoHuge bool
	Memory int    // MiB that were asked for; 0 = nothing said
	Prefix string // of files in the huge page mount
	Vdevs  []string
	Second bool // a secondary process: its memory is the primary's

	cores   bool // the user has said which cores are its
	loglike bool
}

// Options of the environment layer that take no argument. For them a true word means that they are set, a false one that they are not.
var ealFlags = []string{
	"no-huge", "no-pci", "no-hpet", "no-shconf", "no-telemetry", "telemetry", "in-memory", "single-file-segments", "legacy-mem",
	"match-allocations", "create-uio-dev", "vmware-tsc-map", "no-auto-probing", "auto-probing",
}

// Options that take one, as of DPDK 19.11 to 25.11.
var ealOptions = []string{
	"allow", "block", "pci-whitelist", "pci-blacklist", "vdev", "base-virtaddr", "file-prefix", "force-max-simd-bitwidth", "huge-dir",
	"huge-unlink", "huge-worker-stack", "iova-mode", "lcores", "corelist", "coremask", "log-level", "log-color", "log-timestamp",
	"main-lcore", "master-lcore", "mbuf-pool-ops-name", "proc-type", "socket-limit", "socket-mem", "memory-size", "memory-channels", "memory-ranks", "syslog",
	"trace", "trace-bufsz", "trace-dir", "trace-mode", "vfio-intr", "vfio-vf-token", "driver-path", "remap-lcore-ids", "service-corelist", "service-coremask",
	"a", "b", "c", "d", "l", "m", "n", "r", "s", "S", "w", "R",
}

// Arguments turns dpdk.eal-params into the command line of the environment layer. The error joins all that is wrong.
func Arguments(root *conf.Node) (*EAL, error) {
	e := &EAL{Prefix: "rte"}
	var errs []error
	var inMemory *conf.Node
	params := root.Get("dpdk.eal-params")
	for _, n := range params.Children() {
		name := n.Name()
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s: eal-params: %s: %s", n.Pos(), name, fmt.Sprintf(format, args...)))
		}
		values := n.Strings()
		switch {
		case slices.Contains(ealFlags, name):
			if len(values) > 0 && values[0] != "" {
				on, err := n.StrictBool(true)
				if err != nil {
					fail("takes no value")
				}
				if !on || err != nil {
					continue
				}
			}
			values = nil
		case name == "h" || name == "help" || name == "v" || name == "version":
			fail("this would end the program")
			continue
		case !slices.Contains(ealOptions, name):
			fail("DPDK has no such option")
			continue
		}
		option := "--" + name
		if len(name) == 1 {
			option = "-" + name
		}
		switch name {
		case "no-huge":
			e.NoHuge = true
		case "in-memory":
			inMemory = n
		case "lcores", "l", "c", "corelist", "coremask":
			e.cores = true
		case "log-level":
			e.loglike = true
		case "vdev":
			e.Vdevs = append(e.Vdevs, values...)
		case "file-prefix":
			e.Prefix = n.Str(e.Prefix)
			if e.Prefix == "" || strings.ContainsAny(e.Prefix, "/%") {
				fail("%q is not a name for files", e.Prefix)
			}
		case "m", "memory-size":
			m, err := strconv.Atoi(n.Str(""))
			if err != nil || m <= 0 {
				fail("%q is not a number of MiB", n.Str(""))
			}
			e.Memory = m
		case "proc-type":
			switch n.Str("") {
			case "primary", "auto":
			case "secondary":
				e.Second = true
			default:
				fail("%q is not primary, secondary or auto", n.Str(""))
			}
		}
		if len(values) == 0 {
			e.Args = append(e.Args, option)
		}
		for _, v := range values {
			if strings.IndexByte(v, 0) >= 0 {
				fail("has a NUL byte")
				continue
			}
			e.Args = append(e.Args, option)
			if v != "" {
				e.Args = append(e.Args, v)
			}
		}
	}
	if e.NoHuge && inMemory != nil {
		errs = append(errs, fmt.Errorf("%s: eal-params: in-memory and no-huge exclude each other: no-huge is in memory anyway", inMemory.Pos()))
	}
	return e, errors.Join(errs...)
}

// complete adds what the engine chooses: the cores, so that the environment layer starts no threads of its own and pins none of ours,
// and memory where no huge pages give it. cpus is a list such as 0-3,8.
func (e *EAL) complete(cpus string, need int) []string {
	args := slices.Clone(e.Args)
	if !e.cores {
		args = append(args, "--lcores", "0@("+cpus+")")
	}
	if e.NoHuge && e.Memory == 0 && need > 0 {
		args = append(args, "-m", strconv.Itoa(need))
	}
	return args
}

// vdev returns the arguments of a virtual device, such as iface=eth0, and whether there is one of the name.
func (e *EAL) vdev(name string) (string, bool) {
	for _, v := range e.Vdevs {
		if n, args, _ := strings.Cut(v, ","); n == name {
			return args, true
		}
	}
	return "", false
}

// members returns the ports that a bonding device is made of.
func (e *EAL) members(name string) []string {
	args, _ := e.vdev(name)
	var list []string
	for _, a := range strings.Split(args, ",") {
		if k, v, ok := strings.Cut(a, "="); ok && (k == "slave" || k == "member") {
			list = append(list, v)
		}
	}
	return list
}
