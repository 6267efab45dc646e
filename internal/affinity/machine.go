package affinity

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Machine tells what processors there are and where interfaces sit among them.
type Machine struct {
	Sys     string // where sysfs is; /sys if empty
	Online  Set    // that run
	Allowed Set    // that this process may use: fewer in a container, or behind taskset
}

// Here is the machine that the process runs on. Processors that the process was not given at its start are not Allowed.
func Here() Machine {
	m := Machine{Allowed: allowed()}
	m.Online = m.read("devices/system/cpu/online")
	if m.Online.Len() == 0 {
		m.Online = m.Allowed
	}
	return m
}

func (m *Machine) path(name string) string {
	if m.Sys == "" {
		return filepath.Join("/sys", name)
	}
	return filepath.Join(m.Sys, name)
}

func (m *Machine) read(name string) Set {
	b, err := os.ReadFile(m.path(name))
	if err != nil {
		return Set{}
	}
	s, _ := parseKernel(string(b))
	return s
}

// Node returns the NUMA node that an interface is attached to: a network interface by name, or a PCI device by address. ok is false
// where the machine does not tell, as for virtual interfaces.
func (m *Machine) Node(iface string) (node int, ok bool) {
	if iface == "" || iface == "." || iface == ".." || strings.ContainsRune(iface, '/') {
		return 0, false
	}
	for _, name := range []string{"class/net/" + iface + "/device/numa_node", "bus/pci/devices/" + iface + "/numa_node"} {
		b, err := os.ReadFile(m.path(name))
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n >= 0 {
			return n, true
		}
	}
	return 0, false
}

// NodeCPUs returns the processors of a NUMA node, none if it is not known.
func (m *Machine) NodeCPUs(node int) Set {
	return m.read("devices/system/node/node" + strconv.Itoa(node) + "/cpulist")
}
