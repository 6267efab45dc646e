package sentinel_test

import (
	"encoding/json"
	"fmt"
	"time"

	"sentinel"
	"sentinel/capture"
)

// A program that has packets of its own gives them to an engine and is told the events.
func Example() {
	e, err := sentinel.New(sentinel.Options{
		NoLogs: true,
		Rules:  `alert dns any any -> any any (msg:"asks for example.com"; dns.query; content:"example.com"; sid:1;)`,
		OnEvent: func(line []byte) {
			var event struct {
				Type  string `json:"event_type"`
				Src   string `json:"src_ip"`
				Alert struct {
					Signature string `json:"signature"`
				} `json:"alert"`
			}
			if err := json.Unmarshal(line, &event); err == nil && event.Type == "alert" {
				fmt.Printf("%s %s\n", event.Src, event.Alert.Signature)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := e.Inject(query("www.example.com"), capture.LinkRaw, time.Unix(1_700_000_000, 0)); err != nil {
		fmt.Println(err)
	}
	if err := e.Close(); err != nil {
		fmt.Println(err)
	}
	s := e.Summary()
	fmt.Println(s.Packets, "packet,", s.Alerts, "alert")
	// Output:
	// 192.0.2.10 asks for example.com
	// 1 packet, 1 alert
}

// query is a question for the address of a name: IPv4, UDP without a checksum, DNS.
func query(name string) []byte {
	dns := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	label := 0
	for i := range name {
		if name[i] == '.' {
			dns = append(append(dns, byte(i-label)), name[label:i]...)
			label = i + 1
		}
	}
	dns = append(append(dns, byte(len(name)-label)), name[label:]...)
	dns = append(dns, 0, 0, 1, 0, 1)
	udp := append([]byte{0xc0, 0, 0, 53, 0, byte(8 + len(dns)), 0, 0}, dns...)
	ip := []byte{0x45, 0, 0, byte(20 + len(udp)), 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 53}
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	sum = ^(sum>>16 + sum&0xffff)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	return append(ip, udp...)
}
