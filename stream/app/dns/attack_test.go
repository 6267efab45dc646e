package dns

import (
	"strings"
	"testing"

	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
)

func always(s string) func(int) string { return func(int) string { return s } }

// framed puts the length in front that messages over TCP have.
func framed(b []byte) string { return string([]byte{byte(len(b) >> 8), byte(len(b))}) + string(b) }

// TestAttacks holds the parser to linear work: with messages as large as they may be, and connections beyond the limit of
// transactions.
func TestAttacks(t *testing.T) {
	const short = "\x01a\x00\x00\x01\x00\x01"
	label := "\x3f" + strings.Repeat("a", 63)
	// A pointer to the name before it, which is one as well.
	var chain strings.Builder
	chain.WriteString(strings.Repeat(label, 4) + "\x00\x00\x01\x00\x01")
	for at := HeaderSize; chain.Len() < 16000; {
		next := HeaderSize + chain.Len()
		chain.WriteString("\x01b" + string([]byte{0xc0 | byte(at>>8), byte(at)}) + "\x00\x01\x00\x01")
		at = next
	}
	links := uint16((chain.Len()-261)/8) + 1
	// Each question points to a name of many labels.
	pointers := strings.Repeat("\x01a", 250) + "\x00\x00\x01\x00\x01" + strings.Repeat("\xc0\x0c\x00\x01\x00\x01", 8000)
	// Each name is a pointer to a pointer that points to itself.
	loops := "\xc0\x0c\x00\x01\x00\x01" + strings.Repeat("\x01a\xc0\x0c\x00\x01\x00\x01", 4000)
	records := strings.Repeat("\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c", 4000)
	text := strings.Repeat("\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00", 3000)
	questions := message(0x0100, [4]uint16{8000}, strings.Repeat(short, 8000))
	attacks := func(wrap func([]byte) string) []apptest.Attack {
		return []apptest.Attack{
			{Name: "requests", From: 16, Unit: always(wrap(message(0x0100, [4]uint16{1}, short)))},
			{Name: "responses", Dir: app.ToClient, Unit: always(wrap(message(0x8180, [4]uint16{1}, short)))},
			{Name: "requests and responses", Unit: always(wrap(message(0x0100, [4]uint16{1}, short))),
				Answer: always(wrap(message(0x8180, [4]uint16{1}, short)))},
			{Name: "empty responses", Dir: app.ToClient, From: 1 << 14, Unit: always(wrap(message(0x8180, [4]uint16{})))},
			{Name: "many questions", Unit: always(wrap(questions))},
			{Name: "chain of pointers", Unit: always(wrap(message(0x0100, [4]uint16{links}, chain.String())))},
			{Name: "pointers to labels", Unit: always(wrap(message(0x0100, [4]uint16{8001}, pointers)))},
			{Name: "pointers that loop", Unit: always(wrap(message(0x0100, [4]uint16{4001}, loops)))},
			{Name: "records", Dir: app.ToClient, Unit: always(wrap(message(0x8180, [4]uint16{1, 4000}, short, records)))},
			{Name: "strings", Dir: app.ToClient, Unit: always(wrap(message(0x8180, [4]uint16{1, 3000}, short, text)))},
			{Name: "malformed", Unit: always(wrap(message(0x0100, [4]uint16{200}, strings.Repeat(short, 199))))},
		}
	}
	t.Run("udp", func(t *testing.T) {
		apptest.Linear(t, over(app.UDP), attacks(func(b []byte) string { return string(b) }))
	})
	t.Run("tcp", func(t *testing.T) {
		apptest.Linear(t, over(app.TCP), append(attacks(framed),
			apptest.Attack{Name: "empty messages", Unit: always("\x00\x00")},
			apptest.Attack{Name: "messages that do not end", Unit: always("\xff\xff\x00\x00\x01\x00\x00\x01")}))
	})
}
