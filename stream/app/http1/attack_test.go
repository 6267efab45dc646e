package http1

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
)

const (
	get  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	good = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
)

func always(s string) func(int) string { return func(int) string { return s } }

func zipped(t *testing.T, n int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.String()
}

// TestAttacks holds the parser to linear work. Head blocks go beyond the limit of a line (18,000 bytes) and of fields (1,024), and
// connections beyond that of transactions.
func TestAttacks(t *testing.T) {
	bomb := zipped(t, 4<<20)
	apptest.Linear(t, Protocol(), []apptest.Attack{
		{Name: "tiny headers", From: 4096, Head: []any{"GET / HTTP/1.1\r\n"},
			Unit: func(i int) string { return fmt.Sprintf("a%d:\r\n", i%1000) }},
		{Name: "many requests with many headers", Unit: func(i int) string {
			var b strings.Builder
			b.WriteString("GET / HTTP/1.1\r\n")
			for k := range 900 {
				fmt.Fprintf(&b, "h%d: %d\r\n", k, i)
			}
			return b.String() + "\r\n"
		}, Answer: always(good)},
		{Name: "one header again and again", From: 4096, Head: []any{"GET / HTTP/1.1\r\n"}, Unit: always("a: b\r\n")},
		{Name: "folded header", From: 4096, Head: []any{"GET / HTTP/1.1\r\na: b\r\n"}, Unit: always(" c\r\n")},
		{Name: "folded header of a response", From: 4096, Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\na: b\r\n"}, Dir: app.ToClient,
			Unit: always(" c\r\n")},
		{Name: "folds without a name", From: 4096, Head: []any{"GET / HTTP/1.1\r\n"}, Unit: always(" \n")},
		{Name: "carriage returns in a response", From: 4096, Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\na: b\r\n"}, Dir: app.ToClient,
			Unit: always("\r")},
		{Name: "line ends", Unit: always("\r\n")},
		{Name: "request line without end", From: 1 << 14, Unit: always("GET /abc ")},
		{Name: "status line without end", From: 1 << 14, Head: []any{get}, Dir: app.ToClient, Unit: always("HTTP/1.1 ")},
		{Name: "requests without answers", Config: "max-tx: 32", From: 256, Unit: always(get)},
		{Name: "answers without requests", Config: "max-tx: 32", From: 256, Dir: app.ToClient, Unit: always(good)},
		{Name: "requests and answers", Unit: always(get), Answer: always(good)},
		{Name: "interim answers", Head: []any{get}, Dir: app.ToClient, Unit: always("HTTP/1.1 100 Continue\r\n\r\n")},
		{Name: "parameters", Head: []any{"GET /?"}, From: 1 << 14, Unit: func(i int) string { return fmt.Sprintf("a%d=%%%%41&", i) }},
		{Name: "parts of a path", Head: []any{"GET /"}, From: 1 << 14, Unit: always("a/../")},
		{Name: "chunks of a byte", Head: []any{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}, Unit: always("1\r\na\r\n")},
		{Name: "chunks of a byte in a response", Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
			Dir: app.ToClient, Unit: always("1\r\na\r\n")},
		{Name: "chunk length without end", Head: []any{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}, From: 1 << 14, Unit: always("0")},
		{Name: "chunk extensions", Head: []any{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}, Unit: always("1;a=b;c=d\r\na\r\n")},
		{Name: "trailers", From: 4096, Head: []any{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"},
			Unit: func(i int) string { return fmt.Sprintf("t%d: u\r\n", i%1000) }},
		{Name: "body in pieces", Head: []any{"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"}, Unit: always("0123456789")},
		{Name: "body until the end", Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\n\r\n"}, Dir: app.ToClient, Unit: always("0123456789")},
		{Name: "parts of a form", Head: []any{"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999\r\n\r\n"},
			Unit: always("--b\r\nContent-Disposition: form-data; name=a; filename=c\r\n\r\nx\r\n")},
		{Name: "boundaries", Head: []any{"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999\r\n\r\n"},
			Unit: always("--b\r\n")},
		{Name: "form without line ends", Head: []any{"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999\r\n\r\n"},
			From: 1 << 16, Unit: always("xx")},
		{Name: "nearly a boundary", Head: []any{"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=" + strings.Repeat("b", 200) +
			"\r\nContent-Length: 99999999\r\n\r\n--" + strings.Repeat("b", 200) + "\r\nContent-Disposition: form-data; filename=c\r\n\r\n"},
			Unit: always("\r\n--" + strings.Repeat("b", 199))},
		{Name: "sections of a boundary", Unit: func(int) string {
			var b strings.Builder
			for k := range 100 {
				fmt.Fprintf(&b, "; boundary*%d=%s", k, strings.Repeat("b", 100))
			}
			return "POST / HTTP/1.1\r\nContent-Type: multipart/form-data" + b.String() + "\r\nContent-Length: 1\r\n\r\nx"
		}, Answer: always(good)},
		{Name: "gzip", Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"}, Dir: app.ToClient,
			Unit: func(i int) string { return bomb[i%len(bomb) : i%len(bomb)+1] }},
		{Name: "gzip bombs", Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, gzip\r\n\r\n"}, Dir: app.ToClient,
			Unit: always(bomb)},
		{Name: "broken gzip", Head: []any{get, app.ToClient, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"}, Dir: app.ToClient,
			Unit: always("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\xff\xff")},
		{Name: "encodings", Head: []any{get}, Dir: app.ToClient, Unit: func(int) string {
			return "HTTP/1.1 200 OK\r\nContent-Encoding: " + strings.Repeat("gzip, ", 1000) + "\r\nContent-Length: 1\r\n\r\nx"
		}, Answer: always(get)},
		{Name: "ranges", Unit: always(get), Answer: func(i int) string {
			return fmt.Sprintf("HTTP/1.1 206 OK\r\nContent-Range: bytes %d-%d/99999999\r\nContent-Length: 1\r\n\r\nx", 2*i, 2*i)
		}},
	})
}
