package machine

import (
	"fmt"
	"strings"
)

// Port is a network function on the PCI bus.
type Port struct {
	Address    string   `json:"address"` // such as 0000:3b:00.0
	ID         string   `json:"id"`      // vendor and device, such as 8086:1572
	Driver     string   `json:"driver"`  // that is bound; empty = none
	Interfaces []string `json:"interfaces"`
	Node       int      `json:"numa_node"`
	Group      string   `json:"iommu_group"` // empty = none
	DPDK       string   `json:"dpdk"`        // bound, bindable, shared (the kernel's driver stays), or no
	Reason     string   `json:"reason,omitempty"`
}

const pciFolder = "sys/bus/pci/devices"

// forDPDK are the drivers under which DPDK finds a function.
var forDPDK = map[string]bool{"vfio-pci": true, "uio_pci_generic": true, "igb_uio": true}

// shared are the drivers that DPDK works beside of.
var shared = map[string]bool{"mlx4_core": true, "mlx5_core": true, "mana": true}

func (s *System) ports() []Port {
	var all []Port
	vfio := s.exists("sys/bus/pci/drivers/vfio-pci")
	uio := s.exists("sys/bus/pci/drivers/uio_pci_generic") || s.exists("sys/bus/pci/drivers/igb_uio")
	noIOMMU := s.text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y"
	for _, address := range s.names(pciFolder) {
		if !strings.HasPrefix(s.text(pciFolder, address, "class"), "0x02") {
			continue
		}
		p := Port{Address: address, Driver: s.link(pciFolder, address, "driver"), Node: int(s.number(-1, pciFolder, address, "numa_node")),
			Group: s.link(pciFolder, address, "iommu_group"), Interfaces: s.names(pciFolder, address, "net"),
			ID: strings.TrimPrefix(s.text(pciFolder, address, "vendor"), "0x") + ":" + strings.TrimPrefix(s.text(pciFolder, address, "device"), "0x")}
		for _, n := range s.numbered("virtio", pciFolder, address) {
			p.Interfaces = append(p.Interfaces, s.names(pciFolder, address, fmt.Sprint("virtio", n), "net")...)
		}
		switch {
		case forDPDK[p.Driver]:
			p.DPDK = "bound"
		case shared[p.Driver]:
			p.DPDK = "shared"
		case vfio && (p.Group != "" || noIOMMU), uio:
			p.DPDK = "bindable"
		case vfio:
			p.DPDK, p.Reason = "no", "there is no IOMMU: switch it on in the firmware and with intel_iommu=on or amd_iommu=on, or allow to do without: echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
		default:
			p.DPDK, p.Reason = "no", "the kernel has neither vfio-pci nor uio_pci_generic loaded: modprobe vfio-pci"
		}
		all = append(all, p)
	}
	return all
}

// Port finds the function of an interface; nil = it is on none.
func (m *Machine) Port(f *Interface) *Port {
	for i := range m.Ports {
		if f.Bus != "" && m.Ports[i].Address == f.Bus {
			return &m.Ports[i]
		}
	}
	return nil
}
