module sentinel

go 1.26.0

require (
	github.com/andybalholm/brotli v1.2.0
	golang.org/x/net v0.50.0
)

require github.com/peterh/liner v1.2.2 // indirect

require (
	github.com/landlock-lsm/go-landlock v0.7.0 // indirect
	github.com/oschwald/maxminddb-golang v1.13.1 // indirect
	kernel.org/pub/linux/libs/security/libcap/psx v1.2.78 // indirect
)

require (
	github.com/cilium/ebpf v0.22.0 // indirect
	github.com/dlclark/regexp2 v1.11.5 // indirect
	github.com/flier/gohs v1.2.3 // indirect
	github.com/gaissmai/bart v0.26.0 // indirect
	github.com/google/gopacket v1.1.19
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/olekukonko/tablewriter v0.0.5 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/rogpeppe/go-internal v1.14.1 // indirect
	github.com/rs/zerolog v1.35.0 // indirect
	github.com/schollz/progressbar/v3 v3.18.0 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/term v0.40.0 // indirect
	golang.org/x/tools v0.40.1-0.20260108161641-ca281cf95054 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
