package http1

import (
	"fmt"
	"net/netip"
	"strings"

	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// bodyLimits are those of one direction's bodies, in bytes.
type bodyLimits struct {
	limit   uint32 // 0 = none
	minSize uint32
	window  uint32
}

// config is one configuration of libhtp: the default one, or a server's.
type config struct {
	decoding
	apache      bool // NUL ends the request line, and leading white space belongs to the method
	iis5        bool // a line of white space is an empty one
	body        [2]bodyLimits
	fieldLimit  int
	layers      int // of content encodings; 0 = unlimited
	lzmaLayers  int // 0 = unlimited
	lzmaMem     uint32
	bombLimit   uint64
	bombs       int
	timeLimit   int64 // nanoseconds
	maxTx       int
	headers     int
	randomize   bool
	randomRange float64
}

const bombRatio = 2048 // output over input above which much output is a bomb; deflate cannot reach it

func defaults() *config {
	return &config{
		decoding: decoding{replacement: '?'},
		body: [2]bodyLimits{
			app.ToServer: {4096, 32768, 4096},
			app.ToClient: {4096, 32768, 4096},
		},
		fieldLimit: 18000, layers: 2, lzmaMem: 1 << 20, bombLimit: 1 << 20, bombs: 3, timeLimit: 100e6,
		maxTx: 512, headers: 1024, randomize: true, randomRange: 10,
	}
}

func (c *config) personality(name string) bool {
	switch strings.ToUpper(name) {
	case "MINIMAL":
	case "GENERIC", "IIS_5_1":
		c.backslash, c.separators, c.compress = true, true, true
		if strings.EqualFold(name, "IIS_5_1") {
			c.unicode, c.invalid = false, preservePercent
		}
	case "IDS":
		c.backslash, c.separators, c.compress, c.bestfit, c.unicode = true, true, true, true, true
	case "APACHE", "APACHE_2", "APACHE_2_2":
		c.backslash, c.separators, c.compress, c.unicode = false, false, true, false
		c.invalid, c.apache = preservePercent, true
	case "IIS_6_0", "IIS_7_0", "IIS_7_5":
		c.backslash, c.separators, c.compress, c.unicode = true, true, true, true
		c.invalid = preservePercent
	default:
		return false
	}
	// Rules expect the letters as they are, even of servers that do not care.
	c.lowercase = false
	return true
}

// read applies the keys of a libhtp section.
func (c *config) read(n *conf.Node, warn func(string, ...any)) error {
	size := func(k *conf.Node, to *uint32, zero bool) error {
		v, err := k.SizeMax(0, 1<<32-1)
		if err == nil && v == 0 && !zero {
			err = fmt.Errorf("%s: %s: must not be 0", k.Pos(), k.Path())
		}
		if err == nil {
			*to = uint32(v)
		}
		return err
	}
	for _, k := range n.Children() {
		var err error
		var v uint32
		switch strings.ToLower(k.Name()) {
		case "address": // read with the servers
		case "personality":
			if p := k.Str(""); !c.personality(p) {
				warn("%s: unknown personality %q", k.Pos(), p)
			}
		case "request-body-limit":
			err = size(k, &c.body[app.ToServer].limit, true)
		case "response-body-limit":
			err = size(k, &c.body[app.ToClient].limit, true)
		case "request-body-minimal-inspect-size":
			err = size(k, &c.body[app.ToServer].minSize, true)
		case "response-body-minimal-inspect-size":
			err = size(k, &c.body[app.ToClient].minSize, true)
		case "request-body-inspect-window":
			err = size(k, &c.body[app.ToServer].window, true)
		case "response-body-inspect-window":
			err = size(k, &c.body[app.ToClient].window, true)
		case "response-body-decompress-layer-limit":
			if err = size(k, &v, true); err == nil {
				c.layers = int(min(v, maxLayers))
			}
		case "double-decode-query":
			c.doubleQuery = k.IsTrue()
		case "double-decode-path":
			c.doublePath = k.IsTrue()
		case "path-convert-backslash-separators":
			c.backslash = k.IsTrue()
		case "path-bestfit-replacement-char":
			if s := k.Str(""); len(s) == 1 {
				c.replacement = s[0]
			} else {
				warn("%s: path-bestfit-replacement-char must be one character", k.Pos())
			}
		case "path-convert-lowercase":
			c.lowercase = k.IsTrue()
		case "path-nul-encoded-terminates":
			c.nulEncEnds = k.IsTrue()
		case "path-nul-raw-terminates":
			c.nulRawEnds = k.IsTrue()
		case "path-separators-compress":
			c.compress = k.IsTrue()
		case "path-separators-decode":
			c.separators = k.IsTrue()
		case "path-u-encoding-decode":
			c.unicode = k.IsTrue()
		case "path-url-encoding-invalid-handling":
			switch strings.ToLower(k.Str("")) {
			case "preserve_percent", "preserve-percent":
				c.invalid = preservePercent
			case "remove_percent", "remove-percent":
				c.invalid = removePercent
			case "decode_invalid", "decode-invalid":
				c.invalid = processInvalid
			default:
				warn("%s: unknown value of path-url-encoding-invalid-handling", k.Pos())
			}
		case "path-utf8-convert-bestfit":
			c.bestfit = k.IsTrue()
		case "uri-include-all":
			c.includeAll = k.IsTrue()
		case "query-plusspace-decode":
			c.plusSpace = k.IsTrue()
		case "meta-field-limit":
			if err = size(k, &v, false); err == nil {
				c.fieldLimit = int(v)
			}
		case "lzma-memlimit":
			err = size(k, &c.lzmaMem, false)
		case "lzma-enabled":
			if k.IsTrue() {
				c.lzmaLayers = 1
			} else if !k.IsFalse() {
				var i int64
				i, err = k.IntIn(0, -128, 127)
				c.lzmaLayers = int(max(i, 0))
			}
		case "compression-bomb-count":
			if err = size(k, &v, false); err == nil {
				c.bombs = int(min(v, 255))
			}
		case "compression-bomb-limit":
			if err = size(k, &v, false); err == nil {
				c.bombLimit = uint64(v)
			}
		case "decompression-time-limit":
			var i int64
			if i, err = k.IntIn(100000, 1, 1000000); err == nil {
				c.timeLimit = i * 1000
			}
		case "max-tx":
			if err = size(k, &v, true); err == nil {
				c.maxTx = int(v)
			}
		case "headers-limit":
			if err = size(k, &v, true); err == nil {
				c.headers = int(min(v, 1<<16))
			}
		case "randomize-inspection-sizes":
			c.randomize = k.IsTrue()
		case "randomize-inspection-range":
			var i int64
			if i, err = k.IntIn(10, 0, 100); err == nil {
				c.randomRange = float64(i)
			}
		case "http-body-inline": // the engine's: it knows whether it is inline
		case "swf-decompression":
			if k.Get("enabled").IsTrue() {
				warn("%s: swf-decompression is not done yet", k.Pos())
			}
		default:
			warn("%s: unknown key %q for libhtp", k.Pos(), k.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// random moves the inspection sizes, so that nobody can know where a window ends.
func (c *config) random(seed uint64) {
	if !c.randomize || seed == 0 {
		return
	}
	next := func() float64 {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return float64((z^z>>31)>>11) / (1 << 53)
	}
	for i := range c.body {
		b := &c.body[i]
		for _, v := range []*uint32{&b.minSize, &b.window} {
			*v += uint32(int64(float64(*v) * (next() - 0.5) * c.randomRange / 100))
		}
	}
}

// configs are the default configuration and those of servers by address.
type configs struct {
	std     *config
	servers []server
	depth   uint64 // of bodies whose file is to be stored, in place of the body limit; 0 = unlimited
}

type server struct {
	net netip.Prefix
	*config
}

func readConfigs(s app.Settings) (*configs, error) {
	warn := s.Warn
	if warn == nil {
		warn = func(string, ...any) {}
	}
	lib := s.Section.Get("libhtp")
	if !lib.Exists() {
		lib = s.Root.Get("libhtp")
	}
	cs := &configs{std: defaults()}
	for _, key := range []string{"outputs.file-store.stream-depth", "stream.reassembly.depth"} {
		if k := s.Root.Get(key); k.Exists() {
			v, err := k.Size(1 << 20)
			if err != nil {
				return nil, err
			}
			cs.depth = v
			break
		}
	}
	if err := cs.std.read(lib.Get("default-config"), warn); err != nil {
		return nil, err
	}
	cs.std.random(s.Random)
	for i, item := range lib.Get("server-config").Children() {
		kids := item.Children()
		if len(kids) == 0 {
			continue
		}
		c := defaults()
		if err := c.read(kids[0], warn); err != nil {
			return nil, err
		}
		if s.Random != 0 {
			c.random(s.Random + uint64(i) + 1)
		}
		for _, a := range kids[0].Get("address").Strings() {
			p, err := netip.ParsePrefix(a)
			if err != nil {
				var ip netip.Addr
				if ip, err = netip.ParseAddr(a); err == nil {
					p = netip.PrefixFrom(ip, ip.BitLen())
				}
			}
			if err != nil {
				warn("%s: not an address: %q", item.Pos(), a)
				continue
			}
			cs.servers = append(cs.servers, server{p.Masked(), c})
		}
	}
	return cs, nil
}

// of picks the configuration for a flow by its server's address, the most specific network first.
func (cs *configs) of(f *flow.Flow) *config {
	if len(cs.servers) == 0 || f == nil {
		return cs.std
	}
	var a netip.Addr
	if f.IPVersion == 4 {
		a = netip.AddrFrom4([4]byte(f.Dst[:4]))
	} else {
		a = netip.AddrFrom16(f.Dst)
	}
	best, bits := cs.std, -1
	for _, s := range cs.servers {
		if s.net.Bits() > bits && s.net.Contains(a) {
			best, bits = s.config, s.net.Bits()
		}
	}
	return best
}
