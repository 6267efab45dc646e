package http2

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
)

func always(s string) func(int) string { return func(int) string { return s } }

// raw builds one frame.
func raw(kind, flags uint8, stream uint32, payload string) string {
	p := newPeer()
	p.frame(kind, flags, stream, []byte(payload)...)
	return string(p.take())
}

// literal is a field that goes into the dynamic table.
func literal(name, value string) string {
	return "\x40" + string([]byte{byte(len(name))}) + name + string([]byte{byte(len(value))}) + value
}

// TestAttacks holds the parser to linear work, beyond its limits of streams and frames.
func TestAttacks(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(make([]byte, 1<<20))
	w.Close()
	bomb := b.String()
	open := raw(frameHeaders, flagEndHeaders, 1, "\x82\x84\x86")
	head := []interface{}{magic, raw(frameSettings, 0, 0, "")}
	with := func(more ...interface{}) []interface{} { return append(head[:len(head):len(head)], more...) }
	apptest.Linear(t, Protocol(), []apptest.Attack{
		{Name: "streams", Config: "max-streams: 100", Head: head, From: 256, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders, uint32(2*i+1), "\x82\x84\x86")
		}},
		{Name: "streams that are reset", Config: "max-streams: 100", Head: head, From: 256, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders, uint32(2*i+1), "\x82\x84\x86") + raw(frameReset, 0, uint32(2*i+1), "\x00\x00\x00\x08")
		}},
		{Name: "streams that end", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x82\x84\x86")
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "continuations", Head: with(raw(frameHeaders, 0, 1, "\x82")), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(frameContinuation, 0, 1, "\x84"))},
		{Name: "empty continuations", Head: with(raw(frameHeaders, 0, 1, "\x82")), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(frameContinuation, 0, 1, ""))},
		{Name: "header blocks of a stream", Head: head, Unit: always(open)},
		{Name: "growing table", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), literal(fmt.Sprintf("n%d", i), strings.Repeat("v", 100)))
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "table without limit", Head: with(app.ToClient, raw(frameSettings, 0, 0, "\x00\x01\xff\xff\xff\xff"), app.ToServer), Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), strings.Repeat(literal("n", "v"), 100))
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "sizes of the table", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), strings.Repeat("\x3f\xe1\x1f\x20", 100))
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "long integers", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\xff"+strings.Repeat("\x80", 1000)+"\x00")
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "Huffman codes", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x00\xff\x81\x07"+strings.Repeat("\xff", 1024)+"\x00")
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "many fields", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), strings.Repeat("\x82", 8000))
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "fields of a large entry", Head: head, Unit: func(i int) string {
			return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x40\x01n\x7f\x81\x1e"+strings.Repeat("v", 4000)+strings.Repeat("\xbe", 4000))
		}, Answer: func(i int) string { return raw(frameHeaders, flagEndHeaders|flagEndStream, uint32(2*i+1), "\x88") }},
		{Name: "pings", Head: head, Unit: always(raw(framePing, 0, 0, "12345678"))},
		{Name: "settings", Head: head, Unit: always(raw(frameSettings, 0, 0, strings.Repeat("\x00\x03\x00\x00\x00\x64", 100)))},
		{Name: "windows", Head: with(open), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(frameWindow, 0, 1, "\x00\x00\x00\x01"))},
		{Name: "priorities", Head: with(open), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(framePriority, 0, 1, "\x00\x00\x00\x00\x01"))},
		{Name: "unknown frames", Head: with(open), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(0x42, 0, 1, "a"))},
		{Name: "promises", Config: "max-frames: 1000\n  max-streams: 100", Head: with(open), From: 1 << 11, Dir: app.ToClient, Unit: func(i int) string {
			return raw(framePush, flagEndHeaders, 1, string([]byte{0, byte(i >> 15), byte(i >> 7), byte(i << 1)})+"\x82")
		}},
		{Name: "data of a byte", Head: with(open), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(frameData, 0, 1, "a"))},
		{Name: "empty data", Head: with(open), Config: "max-frames: 1000", From: 1 << 11, Unit: always(raw(frameData, 0, 1, ""))},
		{Name: "gzip in frames of a byte", Head: with(open, app.ToClient, raw(frameHeaders, flagEndHeaders, 1, "\x88\x5a\x04gzip")), Dir: app.ToClient,
			Unit: func(i int) string { return raw(frameData, 0, 1, bomb[i%len(bomb):i%len(bomb)+1]) }},
		{Name: "frames longer than they are", Head: head, Unit: always("\xff\xff\xff\x00\x00\x00\x00\x00\x01" + strings.Repeat("a", 300))},
	})
}
