//go:build linux

package xdp

// Building the engine needs no C compiler: what this makes is part of the source. It takes clang and the headers of libbpf.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -tags linux -target bpfel,bpfeb -type flow4_key -type flow6_key -type flow_value -type slot_value -type host_value -type host4_key -type host6_key -type network4_key -type network6_key -type counter_value object program.c -- -O2 -Wall -Werror -I/usr/include/x86_64-linux-gnu
