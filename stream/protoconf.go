package stream

import (
	"sentinel/internal/conf"
	"sentinel/stream/app"
)

// section is a protocol's part of the configuration.
func (e *Engine) section(p *app.Protocol) *conf.Node {
	name := p.Section
	if name == "" {
		name = p.Name
	}
	return e.cfg.Root.Get("app-layer.protocols." + name)
}

var transportNames = [2]string{overTCP: "tcp", overUDP: "udp"}

// ProtocolEnabled reads app-layer.protocols.NAME.enabled: yes, no or detection-only, for one transport where it is named.
func ProtocolEnabled(root *conf.Node, p *app.Protocol, transport string) (detect, parse bool) {
	name := p.Section
	if name == "" {
		name = p.Name
	}
	n := root.Get("app-layer.protocols." + name)
	v := n.Get("enabled")
	if t := n.Get(transport + ".enabled"); t.Exists() {
		v = t
	}
	if !v.Exists() {
		return !p.Off, !p.Off
	}
	if v.Str("") == "detection-only" {
		return true, false
	}
	on := v.IsTrue()
	return on, on
}

func (e *Engine) unlooked(p *app.Protocol, over int) bool {
	detect, _ := ProtocolEnabled(e.cfg.Root, p, transportNames[over])
	return !detect
}

// detectionPorts reads app-layer.protocols.NAME[.TRANSPORT].detection-ports.dp. The key of both transports goes first.
func (e *Engine) detectionPorts(p *app.Protocol, over int) string {
	n := e.section(p)
	if v := n.Get("detection-ports"); v.Exists() {
		return v.Get("dp").Str("")
	}
	return n.Get(transportNames[over] + ".detection-ports.dp").Str("")
}
