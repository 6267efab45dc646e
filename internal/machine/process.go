package machine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kernel is what the kernel is and can do.
type Kernel struct {
	Release         string   `json:"release"`
	Major           int      `json:"major"`
	Minor           int      `json:"minor"`
	BTF             bool     `json:"btf"`        // it describes its own types, for programs that fit themselves to it
	JIT             int      `json:"bpf_jit"`    // net.core.bpf_jit_enable, -1 = unknown
	UnprivilegedBPF int      `json:"bpf_locked"` // kernel.unprivileged_bpf_disabled: 0 = all may load programs, -1 = unknown
	BPFFS           string   `json:"bpf_fs"`     // where the file system of BPF is mounted; empty = nowhere
	HugeFS          []string `json:"huge_fs"`    // where huge pages are mounted
	Clock           string   `json:"clock_source"`
	Clocks          []string `json:"clock_sources"`
	Synchronised    *bool    `json:"clock_synchronised"` // null = unknown
	Queue           bool     `json:"nfqueue"`            // nfnetlink_queue is there
	QueuesRead      []int    `json:"nfqueue_read"`       // queues that a program reads
	VFIO            bool     `json:"vfio"`               // the driver vfio-pci is there
	UIO             bool     `json:"uio"`                // uio_pci_generic or igb_uio is there
	IOMMU           bool     `json:"iommu"`
	ReadBufferMax   int64    `json:"rmem_max"` // bytes, 0 = unknown
	MapCountMax     int64    `json:"max_map_count"`
}

// AtLeast reports whether the kernel has this version.
func (k *Kernel) AtLeast(major, minor int) bool {
	return k.Major > major || k.Major == major && k.Minor >= minor
}

func (s *System) kernel() Kernel {
	k := Kernel{Release: s.text("proc/sys/kernel/osrelease"), BTF: s.exists("sys/kernel/btf/vmlinux"),
		JIT: int(s.number(-1, "proc/sys/net/core/bpf_jit_enable")), UnprivilegedBPF: int(s.number(-1, "proc/sys/kernel/unprivileged_bpf_disabled")),
		Clock:  s.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
		Clocks: strings.Fields(s.text("sys/devices/system/clocksource/clocksource0/available_clocksource")),
		Queue:  s.exists("proc/self/net/netfilter/nfnetlink_queue"), VFIO: s.exists("sys/bus/pci/drivers/vfio-pci"),
		UIO:           s.exists("sys/bus/pci/drivers/uio_pci_generic") || s.exists("sys/bus/pci/drivers/igb_uio"),
		IOMMU:         len(s.names("sys/kernel/iommu_groups")) > 0,
		ReadBufferMax: s.number(0, "proc/sys/net/core/rmem_max"), MapCountMax: s.number(0, "proc/sys/vm/max_map_count")}
	fmt.Sscanf(k.Release, "%d.%d", &k.Major, &k.Minor)
	for _, line := range strings.Split(s.text("proc/self/mounts"), "\n") {
		switch f := strings.Fields(line); {
		case len(f) < 3:
		case f[2] == "bpf":
			k.BPFFS = f[1]
		case f[2] == "hugetlbfs":
			k.HugeFS = append(k.HugeFS, f[1])
		}
	}
	for _, line := range strings.Split(s.text("proc/self/net/netfilter/nfnetlink_queue"), "\n") {
		if f := strings.Fields(line); len(f) > 1 {
			if n, err := strconv.Atoi(f[0]); err == nil {
				k.QueuesRead = append(k.QueuesRead, n)
			}
		}
	}
	if s.Synchronised != nil {
		if on, err := s.Synchronised(); err == nil {
			k.Synchronised = &on
		}
	}
	return k
}

// Memory is the machine's memory, in bytes.
type Memory struct {
	Total     uint64 `json:"total"`
	Available uint64 `json:"available"`
	Limit     uint64 `json:"cgroup_limit"` // of the control group, 0 = none
}

func (s *System) memory() Memory {
	read := func(word string) uint64 {
		v, _, _ := strings.Cut(s.field("proc/meminfo", word), " ")
		n, _ := strconv.ParseUint(v, 10, 54)
		return n << 10
	}
	m := Memory{Total: read("MemTotal:"), Available: read("MemAvailable:")}
	// The group is named behind "0::" with the unified hierarchy.
	group := s.field("proc/self/cgroup", "0::")
	for _, file := range []string{"sys/fs/cgroup/" + group + "/memory.max", "sys/fs/cgroup/memory.max"} {
		if n := s.number(0, file); n > 0 && uint64(n) < m.Total {
			m.Limit = uint64(n)
			break
		}
	}
	return m
}

// Unlimited is a limit that is none.
const Unlimited = math.MaxUint64

// Process is what this process may do.
type Process struct {
	Capabilities  uint64 `json:"capabilities"` // effective, bit by bit
	LockedMemory  uint64 `json:"locked_memory_limit"`
	Files         uint64 `json:"open_files_limit"`
	FilesHard     uint64 `json:"open_files_hard_limit"`
	AddressSpace  uint64 `json:"address_space_limit"`
	RealtimePrio  uint64 `json:"realtime_priority_limit"`
	NoNewPrivs    bool   `json:"no_new_privs"`
	UserNamespace bool   `json:"user_namespace"` // capabilities do not count for the machine's own devices
}

// Capability is a right, by its number in the kernel (include/uapi/linux/capability.h).
type Capability uint

// The capabilities that capturing needs.
const (
	NetAdmin Capability = 12
	NetRaw   Capability = 13
	IPCLock  Capability = 14
	SetGID   Capability = 6
	SetUID   Capability = 7
	SysNice  Capability = 23
	SysAdmin Capability = 21
	Perfmon  Capability = 38
	BPF      Capability = 39
)

// String returns the name as setcap and systemd know it.
func (c Capability) String() string {
	switch c {
	case NetAdmin:
		return "CAP_NET_ADMIN"
	case NetRaw:
		return "CAP_NET_RAW"
	case IPCLock:
		return "CAP_IPC_LOCK"
	case SetGID:
		return "CAP_SETGID"
	case SetUID:
		return "CAP_SETUID"
	case SysNice:
		return "CAP_SYS_NICE"
	case SysAdmin:
		return "CAP_SYS_ADMIN"
	case Perfmon:
		return "CAP_PERFMON"
	case BPF:
		return "CAP_BPF"
	}
	return "CAP_" + strconv.Itoa(int(c))
}

// Has reports whether the process has a right.
func (p *Process) Has(c Capability) bool { return p.Capabilities>>c&1 != 0 }

func (s *System) process() Process {
	p := Process{NoNewPrivs: s.field("proc/self/status", "NoNewPrivs:") == "1"}
	p.Capabilities, _ = strconv.ParseUint(s.field("proc/self/status", "CapEff:"), 16, 64)
	limit := func(word string) (soft, hard uint64) {
		f := strings.Fields(s.field("proc/self/limits", word))
		if len(f) < 2 {
			return Unlimited, Unlimited
		}
		read := func(v string) uint64 {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				return Unlimited
			}
			return n
		}
		return read(f[0]), read(f[1])
	}
	p.LockedMemory, _ = limit("Max locked memory")
	p.Files, p.FilesHard = limit("Max open files")
	p.AddressSpace, _ = limit("Max address space")
	p.RealtimePrio, _ = limit("Max realtime priority")
	f := strings.Fields(s.text("proc/self/uid_map"))
	p.UserNamespace = len(f) == 3 && !(f[0] == "0" && f[1] == "0" && f[2] == "4294967295")
	return p
}
