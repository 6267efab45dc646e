package machine

// A System is where facts are read from. The zero value reads the files of this machine and asks the kernel nothing.
type System struct {
	Root string // where /proc, /sys and /dev are; empty = /
	// Links lists the interfaces of this network namespace; nil lists those in sysfs.
	Links func() ([]Interface, error)
	// Ask completes what the kernel tells of an interface only when it is asked; nil = nothing does. What is missing stays as it is.
	Ask func(*Interface)
	// Synchronised reports whether the system's clock follows a time server; nil = nobody knows.
	Synchronised func() (bool, error)
}

// A Machine is what was found. Numbers that are not known are 0 where 0 is impossible, else -1.
type Machine struct {
	Kernel     Kernel      `json:"kernel"`
	CPUs       []CPU       `json:"cpus"`
	Nodes      []Node      `json:"numa_nodes"`
	Memory     Memory      `json:"memory"`
	Process    Process     `json:"process"`
	Interfaces []Interface `json:"interfaces"`
	Ports      []Port      `json:"pci_network_devices"` // network functions on the PCI bus, with an interface or without
}

// Read reads all of it. The error is of the interfaces; all else is left out where it cannot be read.
func (s *System) Read() (*Machine, error) {
	m := &Machine{Kernel: s.kernel(), Memory: s.memory(), Process: s.process()}
	m.CPUs, m.Nodes = s.cpus(), s.nodes()
	m.Ports = s.ports()
	var err error
	m.Interfaces, err = s.interfaces(m.Ports)
	return m, err
}

// Interface finds an interface by its name; nil = there is none.
func (m *Machine) Interface(name string) *Interface {
	for i := range m.Interfaces {
		if m.Interfaces[i].Name == name {
			return &m.Interfaces[i]
		}
	}
	return nil
}

// CPU finds a processor by its number; nil = there is none.
func (m *Machine) CPU(number int) *CPU {
	for i := range m.CPUs {
		if m.CPUs[i].Number == number {
			return &m.CPUs[i]
		}
	}
	return nil
}
