# make run     install what lacks, build, and show the engine at work on a capture that ships with it
# make test    everything that CI runs
# make build   bin/sentinel
# make help    the other targets

SHELL := /bin/sh
GO ?= go
OUT ?= out

.PHONY: run test build build-dpdk test-dpdk deps fmt vet portable unit invariants race captures fuzz bench verify clean help

run: deps build
	@mkdir -p $(OUT)
	@rm -f $(OUT)/eve.json $(OUT)/fast.log $(OUT)/stats.log $(OUT)/suricata.log
	@echo "bin/sentinel -r qa/pcaps/demo.pcap -S etc/rules/demo.rules -l $(OUT)"
	@bin/sentinel -r qa/pcaps/demo.pcap -S etc/rules/demo.rules -l $(OUT)

test: deps fmt vet portable unit invariants race captures test-dpdk

build:
	$(GO) build -o bin/sentinel ./cmd/sentinel

# With DPDK: needs libdpdk-dev, which scripts/deps dpdk installs.
build-dpdk:
	@scripts/deps dpdk
	$(GO) build -tags dpdk -o bin/sentinel ./cmd/sentinel

# The parts that need DPDK, where it is installed.
test-dpdk:
	@if pkg-config --exists libdpdk 2>/dev/null; then \
		$(GO) vet -tags dpdk ./capture/dpdk ./bypass/rteflow ./qa/live && \
		$(GO) build -tags dpdk -o /dev/null ./cmd/sentinel && \
		$(GO) test -tags dpdk ./capture/dpdk ./bypass/rteflow && \
		$(GO) test -tags dpdk -run TestDPDK ./qa/live; \
	else \
		echo "test-dpdk: libdpdk is not installed: left out (make build-dpdk installs it)"; \
	fi

deps:
	@scripts/deps

fmt:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "not formatted by gofmt:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...

# The build without cgo: an offline analyser for any system.
portable:
	CGO_ENABLED=0 $(GO) build -o bin/sentinel-portable ./cmd/sentinel
	CGO_ENABLED=0 $(GO) test ./detect/... ./cmd/... .
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/sentinel

unit:
	$(GO) test ./...

# Released frames and parsed input are poisoned.
invariants:
	$(GO) test -tags invariants ./capture/... ./decode/... ./stream/... ./internal/...

race:
	$(GO) test -race -short -timeout 20m ./...

# Every capture that ships, through the program that ships: no failure, and every line of output is JSON.
captures: build
	$(GO) test -count=1 -run 'TestCaptures' ./cmd/sentinel

# Each fuzz target for a short time: make fuzz FUZZTIME=30s
FUZZTIME ?= 10s
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# The conformance cases, where they are: make verify SHARED=../shared PATTERN='dns*'
SHARED ?= ../shared
PATTERN ?=
verify: build
	@python=$$(scripts/deps verify) && \
	$$python $(SHARED)/conformance/verify.py --engine bin/sentinel --baseline qa/verify/baseline.txt $(PATTERN)

clean:
	rm -rf bin $(OUT)

help:
	@echo "run test build build-dpdk test-dpdk deps fmt vet portable unit invariants race captures fuzz bench verify clean"
