package tls

import (
	"strings"
	"testing"

	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
)

func always(s string) func(int) string { return func(int) string { return s } }

// rec frames a record, hs a handshake message.
func rec(typ byte, body string) string {
	return string([]byte{typ, 3, 3, byte(len(body) >> 8), byte(len(body))}) + body
}

func hs(typ byte, body string) string {
	return string([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
}

func vec(n int, s string) string {
	var b []byte
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(len(s)>>(8*i)))
	}
	return string(b) + s
}

// clientHello builds a hello with ciphers and extensions.
func clientHello(ciphers, extensions string) string {
	return hs(1, "\x03\x03"+strings.Repeat("r", 32)+"\x00"+vec(2, ciphers)+"\x01\x00"+vec(2, extensions))
}

// TestAttacks holds the parser to linear work. Nothing in it lets a session end.
func TestAttacks(t *testing.T) {
	hello := rec(22, clientHello("\x13\x01", ""))
	long := hs(1, "\x03\x03"+strings.Repeat("r", 32)+"\x00"+vec(2, strings.Repeat("\x13\x01", 30000))+"\x01\x00")
	var certs strings.Builder
	for range 2000 {
		certs.WriteString(vec(3, "\x30\x03\x02\x01\x00"))
	}
	chain := hs(11, vec(3, certs.String()))
	apptest.Linear(t, extended(), []apptest.Attack{
		{Name: "hellos", Unit: always(hello)},
		{Name: "hellos of the server", Head: []any{hello}, Dir: app.ToClient,
			Unit: always(rec(22, hs(2, "\x03\x03"+strings.Repeat("r", 32)+"\x00\x13\x01\x00")))},
		{Name: "hellos with many ciphers", Unit: always(rec(22, clientHello(strings.Repeat("\x13\x01", 8000), "")))},
		{Name: "hellos with many extensions", Unit: always(rec(22, clientHello("\x13\x01", strings.Repeat("\x12\x34\x00\x00", 4000))))},
		{Name: "hellos with many names of protocols", Unit: always(rec(22, clientHello("\x13\x01", "\x00\x10"+vec(2, vec(2, strings.Repeat("\x01a", 5000))))))},
		{Name: "message in records of a byte", Head: []any{rec(22, long[:4])}, Unit: func(i int) string {
			if i%len(long) < 4 { // a record that begins a message has all of its header
				return rec(22, long[:4])
			}
			return rec(22, long[i%len(long):i%len(long)+1])
		}},
		{Name: "messages in a record", Unit: always(rec(22, strings.Repeat(hs(0, ""), 4000)))},
		{Name: "message that does not end", Head: []any{rec(22, "\x0b\x0f\xff\xff")}, From: 1 << 13, Unit: always(rec(22, strings.Repeat("a", 64)))},
		{Name: "certificates", Head: []any{hello}, Dir: app.ToClient, Unit: always(rec(22, chain[:14000]))},
		{Name: "certificates that are broken", Dir: app.ToClient, Unit: always(rec(22, hs(11, vec(3, strings.Repeat(vec(3, "\x30"), 3000)))))},
		{Name: "alerts", Unit: always(rec(21, "\x01\x00"))},
		{Name: "changes of ciphers", Unit: always(rec(20, "\x01"))},
		{Name: "application data", Unit: always(rec(23, strings.Repeat("a", 16)))},
		{Name: "application data of a byte", Unit: always(rec(23, "a"))},
		{Name: "heartbeats", Unit: always(rec(24, "\x01\x00\x01a"+strings.Repeat("p", 16))), Answer: always(rec(24, "\x02\x00\x01a"+strings.Repeat("p", 16)))},
		{Name: "hellos of SSL 2.0", Unit: always("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + strings.Repeat("c", 37))},
	})
}
