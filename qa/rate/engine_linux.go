package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sentinel/internal/control"
)

// commonConfig is what both engines are configured with, besides where they capture from: what they ship with writes as much.
const commonConfig = `%%YAML 1.1
---
vars:
  address-groups:
    HOME_NET: "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"
    EXTERNAL_NET: "!$HOME_NET"
    HTTP_SERVERS: "$HOME_NET"
    SMTP_SERVERS: "$HOME_NET"
    SQL_SERVERS: "$HOME_NET"
    DNS_SERVERS: "$HOME_NET"
    TELNET_SERVERS: "$HOME_NET"
    AIM_SERVERS: "$EXTERNAL_NET"
    DC_SERVERS: "$HOME_NET"
    DNP3_SERVER: "$HOME_NET"
    DNP3_CLIENT: "$HOME_NET"
    MODBUS_CLIENT: "$HOME_NET"
    MODBUS_SERVER: "$HOME_NET"
    ENIP_CLIENT: "$HOME_NET"
    ENIP_SERVER: "$HOME_NET"
  port-groups:
    HTTP_PORTS: "80"
    SHELLCODE_PORTS: "!80"
    ORACLE_PORTS: 1521
    SSH_PORTS: 22
    DNP3_PORTS: 20000
    MODBUS_PORTS: 502
    FILE_DATA_PORTS: "[$HTTP_PORTS,110,143]"
    FTP_PORTS: 21
    GENEVE_PORTS: 6081
    VXLAN_PORTS: 4789
    TEREDO_PORTS: 3544
    SIP_PORTS: "[5060, 5061]"
stats: {enabled: yes, interval: 1}
outputs:
  - eve-log:
      enabled: yes
      filename: eve.json
      types: [alert, anomaly, http, dns, tls, files, smtp, ssh, flow]
logging:
  default-log-level: notice
  outputs: [{console: {enabled: yes}}]
flow: {memcap: 512mb, hash-size: 65536, prealloc: 10000}
stream:
  memcap: 512mb
  reassembly: {memcap: 1gb, depth: 1mb}
unix-command: {enabled: yes, filename: %s}
`

// engine is an engine at work.
type engine struct {
	name   string
	cmd    *exec.Cmd
	ended  chan error
	dir    string
	socket string
	ctl    *control.Client
}

// runEngine starts an engine, and waits until it answers. program and arguments are Suricata's or ours: they are the same.
func runEngine(name, program, dir, config string, args ...string) (*engine, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	e := &engine{name: name, dir: dir, socket: filepath.Join(dir, "s"), ended: make(chan error, 1)}
	_ = os.Remove(e.socket)
	_ = os.Remove(filepath.Join(dir, "eve.json"))
	file := filepath.Join(dir, "engine.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(commonConfig, e.socket)+config), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "console.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd = exec.Command(program, append([]string{"-c", file, "-l", dir, "--runmode", "workers"}, args...)...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { e.ended <- e.cmd.Wait() }()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if e.ctl, err = control.Dial(e.socket); err == nil {
			return e, nil
		}
		select {
		case err := <-e.ended:
			return nil, fmt.Errorf("%s ended: %v\n%s", name, err, e.said())
		default:
		}
		if time.Now().After(end) {
			e.kill()
			return nil, fmt.Errorf("%s does not answer: %v\n%s", name, err, e.said())
		}
	}
}

// said is the end of what the engine printed.
func (e *engine) said() string {
	b, _ := os.ReadFile(filepath.Join(e.dir, "console.log"))
	return string(b[max(0, len(b)-2000):])
}

func (e *engine) kill() {
	_ = e.cmd.Process.Kill()
	<-e.ended
}

// stop ends the engine.
func (e *engine) stop() error {
	_ = e.ctl.Close()
	if err := e.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case err := <-e.ended:
		if err != nil {
			return fmt.Errorf("%s ended: %w\n%s", e.name, err, e.said())
		}
		return nil
	case <-time.After(time.Minute):
		e.kill()
		return fmt.Errorf("%s did not end\n%s", e.name, e.said())
	}
}

// totals is what an engine has counted.
type totals struct {
	decoded, dropped uint64
	cpu              time.Duration // of the process
}

func (e *engine) totals() (t totals, err error) {
	a, err := e.ctl.Do(control.Request{Command: "dump-counters"})
	for try := 0; try < 100 && err == nil && !a.OK; try++ { // it has none yet
		time.Sleep(100 * time.Millisecond)
		a, err = e.ctl.Do(control.Request{Command: "dump-counters"})
	}
	if err == nil && !a.OK {
		err = errors.New(string(a.Raw))
	}
	if err != nil {
		return t, fmt.Errorf("%s: counters: %w\n%s", e.name, err, e.said())
	}
	var m struct {
		Capture struct {
			Drops uint64 `json:"kernel_drops"`
		} `json:"capture"`
		Decoder struct {
			Packets uint64 `json:"pkts"`
		} `json:"decoder"`
	}
	if err := json.Unmarshal(a.Message, &m); err != nil {
		return t, fmt.Errorf("%s: counters: %w", e.name, err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.cmd.Process.Pid))
	if err != nil {
		return t, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return t, errors.New("cannot read the times of a process")
	}
	for _, s := range f[11:13] { // utime and stime, in ticks of 10 ms
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return t, err
		}
		t.cpu += time.Duration(n) * 10 * time.Millisecond
	}
	t.decoded, t.dropped = m.Decoder.Packets, m.Capture.Drops
	return t, nil
}
