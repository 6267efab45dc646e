package chain

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGolden compares with what Suricata 8.0.7 said of random rules on random UDP payloads, or in files
// named sticky on IPv4 headers, by ipv4.hdr. A file has
// lines "data HEX", "fails OPTIONS" for rules that it refused, and "rule BITS OPTIONS", where bit k%8 of
// byte k/8 says that data line k matched.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*-*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("no files: %v", err)
	}
	c := newTestCtx(t)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			o := Options{Sticky: strings.HasPrefix(filepath.Base(name), "sticky")}
			var data [][]byte
			rules := 0
			for in := bufio.NewScanner(f); in.Scan(); {
				word, rest, _ := strings.Cut(in.Text(), " ")
				switch word {
				case "data":
					b, err := hex.DecodeString(rest)
					if err != nil {
						t.Fatal(err)
					}
					data = append(data, b)
				case "fails":
					if _, err := compileWith(rest, o); err == nil {
						t.Errorf("%s: no error", rest)
					}
				case "rule":
					rules++
					text, options, _ := strings.Cut(rest, " ")
					bits, err := hex.DecodeString(text)
					if err != nil {
						t.Fatal(err)
					}
					p, err := compileWith(options, o)
					if err != nil {
						t.Errorf("%s: %v", options, err)
						continue
					}
					for k, d := range data {
						if want := bits[k/8]>>(k%8)&1 != 0; p.Match(c, d, 0, End) != want {
							t.Errorf("%s: %q matches: %v", options, d, !want)
						}
					}
				}
			}
			if rules < 200 {
				t.Errorf("only %d rules", rules)
			}
		})
	}
}
