package http1

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// conformance is where the public cases lie beside the project.
const conformance = "../../../../shared/conformance/cases/"

// piece is what one side said at a time.
type piece struct {
	dir  app.Dir
	data []byte
}

// conversation reads the first TCP connection of a classic pcap file, in order and without retransmissions.
func conversation(t *testing.T, name string) (out []piece) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil || len(b) < 24 {
		t.Skipf("no capture: %v", err)
	}
	var bo binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(b) == 0xa1b2c3d4 {
		bo = binary.BigEndian
	}
	link := 14
	switch bo.Uint32(b[20:]) {
	case 101, 12:
		link = 0
	case 0:
		link = 4
	}
	type side struct {
		next uint32
		ok   bool
		late map[uint32][]byte
	}
	var sides [2]side
	var client []byte
	for b = b[24:]; len(b) >= 16; {
		n := int(bo.Uint32(b[8:]))
		p := b[16:min(len(b), 16+n)]
		b = b[min(len(b), 16+n):]
		if len(p) < link+40 || p[link]>>4 != 4 || p[link+9] != 6 {
			continue
		}
		ip := p[link:]
		ip = ip[:min(len(ip), int(binary.BigEndian.Uint16(ip[2:])))]
		tcp := ip[int(ip[0]&15)*4:]
		key := append(append([]byte(nil), ip[12:16]...), tcp[:2]...)
		if client == nil {
			if tcp[13]&2 == 0 || tcp[13]&16 != 0 {
				continue
			}
			client = key
		}
		d := app.ToClient
		if bytes.Equal(key, client) {
			d = app.ToServer
		} else if string(ip[16:20])+string(tcp[2:4]) != string(client) {
			continue
		}
		s := &sides[d]
		seq, data := binary.BigEndian.Uint32(tcp[4:]), tcp[int(tcp[12]>>4)*4:]
		if tcp[13]&2 != 0 {
			s.next, s.ok, s.late = seq+1, true, map[uint32][]byte{}
			continue
		}
		if len(data) == 0 || !s.ok {
			continue
		}
		s.late[seq] = data
		for {
			data, found := s.late[s.next]
			if !found {
				break
			}
			delete(s.late, s.next)
			s.next += uint32(len(data))
			out = append(out, piece{d, data})
		}
	}
	return out
}

// recorder is a Host that keeps the files.
type recorder struct {
	dir     app.Dir
	files   []*file.File
	scratch app.Scratch
}

func (r *recorder) Event(uint8)                           {}
func (r *recorder) Frame(uint8, uint64, int64) *app.Frame { return nil }
func (r *recorder) OpenFrame(uint8) *app.Frame            { return nil }
func (r *recorder) Expect(app.Expectation)                {}
func (r *recorder) Scratch() *app.Scratch                 { return &r.scratch }
func (r *recorder) Open(tx *app.Tx, name []byte) *file.File {
	f := new(file.File)
	f.Begin(name, 0, file.Limits{})
	f.TxID = tx.ID
	tx.Files[r.dir].Add(f)
	r.files = append(r.files, f)
	return f
}

// play feeds a conversation and both ends to a new parser.
func play(t *testing.T, config string, ps []piece) (*Parser, *recorder) {
	t.Helper()
	tree, _, err := conf.Parse([]byte(config), "test")
	if err != nil {
		t.Fatal(err)
	}
	mk, err := setup(app.Settings{Section: tree.Get("http"), Root: tree.Root(), Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	p, r := mk().(*Parser), &recorder{}
	f := &flow.Flow{}
	f.IPVersion = 4
	var off [2]uint64
	for _, s := range ps {
		r.dir = s.dir
		b := append([]byte(nil), s.data...)
		p.Parse(&app.Input{Flow: f, Data: b, Dir: s.dir, Offset: off[s.dir], Host: r})
		for i := range b {
			b[i] = 0xcc
		}
		off[s.dir] += uint64(len(b))
	}
	for d := app.ToServer; d <= app.ToClient; d++ {
		r.dir = d
		p.Parse(&app.Input{Flow: f, Dir: d, Offset: off[d], EOF: true, Host: r})
	}
	return p, r
}

const evaderConfig = `
http:
  libhtp:
    default-config:
      personality: IDS
      request-body-limit: 100 KiB
      response-body-limit: 100 KiB
      response-body-decompress-layer-limit: 3
`

// TestEvader plays what httpevader makes of a virus, each time wrapped in another way that some browser unwraps. The virus
// must be seen, and the file under its name.
func TestEvader(t *testing.T) {
	cases, _ := filepath.Glob(conformance + "http-evader/http-evader-*")
	if len(cases) == 0 {
		t.Skip("the conformance cases are not beside the project")
	}
	for _, c := range cases {
		t.Run(filepath.Base(c), func(t *testing.T) {
			yaml, err := os.ReadFile(c + "/test.yaml")
			if err != nil {
				t.Fatal(err)
			}
			p, _ := play(t, evaderConfig, conversation(t, c+"/input.pcap"))
			seen, named := 0, 0
			var got []string
			for id := uint64(0); ; {
				x, ok := p.Next(id)
				if !ok {
					break
				}
				tx := x.(*Tx)
				id = tx.ID
				if s := tx.msg[app.ToClient].stream; s != nil {
					b, _ := s.All()
					if bytes.Contains(b, []byte("EICAR-STANDARD-ANTIVIRUS-TEST-FILE")) && bytes.Contains(b, []byte("X5O!P%@AP[4")) {
						seen++
					}
				}
				for i := 0; i < tx.Files[app.ToClient].Len(); i++ {
					name := string(tx.Files[app.ToClient].At(i).Name)
					got = append(got, name)
					if strings.Contains(string(yaml), "fileinfo.filename: "+name+"\n") && string(tx.get(tx.method)) == "GET" &&
						string(tx.get(tx.host)) == "evader.example.com" {
						named++
					}
				}
			}
			want := strings.Count(string(yaml), "fileinfo.filename")
			if seen != 1 || named != want {
				t.Errorf("seen %d times, named %d times; files %q", seen, named, got)
			}
		})
	}
}
