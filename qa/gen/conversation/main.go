package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

func main() {
	port := flag.Uint("port", 80, "the server's port")
	flag.Parse()
	if flag.NArg() != 2 || *port > 65535 {
		fmt.Fprintln(os.Stderr, "usage: conversation [-port N] TEXT PCAP")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), uint16(*port)); err != nil {
		fmt.Fprintln(os.Stderr, "conversation:", err)
		os.Exit(1)
	}
}

func run(from, to string, port uint16) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	steps, err := read(in)
	if err != nil {
		return fmt.Errorf("%s:%w", from, err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(write(out, steps, port), out.Close())
}

// step is what one side says.
type step struct {
	server bool // the server says it
	data   []byte
}

func read(r io.Reader) ([]step, error) {
	var steps []step
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for n := 1; s.Scan(); n++ {
		word, rest, _ := strings.Cut(strings.TrimSpace(s.Text()), " ")
		st := step{server: strings.HasPrefix(word, "<")}
		var err error
		switch word {
		case "want":
			return steps, nil
		case ">", "<":
			st.data, err = unquote(strings.TrimSpace(rest))
		case ">x", "<x":
			st.data, err = hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		steps = append(steps, st)
	}
	return steps, s.Err()
}

// unquote joins the Go strings of a line.
func unquote(s string) ([]byte, error) {
	var out []byte
	for s != "" {
		q, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, s)
		}
		text, err := strconv.Unquote(q)
		if err != nil {
			return nil, err
		}
		out = append(out, text...)
		s = strings.TrimSpace(s[len(q):])
	}
	return out, nil
}

// side is one end of the connection.
type side struct {
	mac  net.HardwareAddr
	ip   net.IP
	port layers.TCPPort
	seq  uint32
}

// maxSegment is the payload of a packet at most.
const maxSegment = 1460

// write makes the packets: a handshake, data that is acknowledged packet by packet, and a close.
func write(w io.Writer, steps []step, port uint16) error {
	pw := pcapgo.NewWriter(w)
	if err := pw.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return err
	}
	client := &side{net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.IPv4(192, 0, 2, 10), 40000, 1000}
	server := &side{net.HardwareAddr{2, 0, 0, 0, 0, 2}, net.IPv4(198, 51, 100, 20), layers.TCPPort(port), 5000}
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	send := func(from, to *side, flags layers.TCP, data []byte) error {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.ip, DstIP: to.ip}
		tcp := &flags
		tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.Window = from.port, to.port, from.seq, 65535
		if tcp.ACK {
			tcp.Ack = to.seq
		}
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			return err
		}
		b := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
			&layers.Ethernet{SrcMAC: from.mac, DstMAC: to.mac, EthernetType: layers.EthernetTypeIPv4}, ip, tcp, gopacket.Payload(data))
		if err != nil {
			return err
		}
		from.seq += uint32(len(data))
		if tcp.SYN || tcp.FIN {
			from.seq++
		}
		at = at.Add(time.Millisecond)
		n := len(b.Bytes())
		return pw.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: n, Length: n}, b.Bytes())
	}
	ack := layers.TCP{ACK: true}
	err := errors.Join(send(client, server, layers.TCP{SYN: true}, nil), send(server, client, layers.TCP{SYN: true, ACK: true}, nil),
		send(client, server, ack, nil))
	for _, st := range steps {
		from, to := client, server
		if st.server {
			from, to = server, client
		}
		for data := st.data; len(data) > 0 && err == nil; {
			n := min(len(data), maxSegment)
			err = errors.Join(send(from, to, layers.TCP{ACK: true, PSH: true}, data[:n]), send(to, from, ack, nil))
			data = data[n:]
		}
	}
	fin := layers.TCP{ACK: true, FIN: true}
	return errors.Join(err, send(client, server, fin, nil), send(server, client, fin, nil), send(client, server, ack, nil))
}
