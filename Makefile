.DEFAULT_GOAL := help
FUZZINPUTS ?= 100000
BINARY := bin/segment-blocks

.PHONY: help build test lint generate fuzz bench ratios clients release ci clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the command line into bin/
	go build -o $(BINARY) ./cmd/segment-blocks

test: ## run the tests with the race detector
	go test -race ./...

lint: ## go vet and golangci-lint
	go vet ./...
	golangci-lint run ./...

generate: ## write the files that are generated from the manifests
	go generate ./...

fuzz: ## give each fuzz target FUZZINPUTS (100000) inputs
	.ci/fuzz $(FUZZINPUTS)

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

ratios: ## compare the cost with other ways to do the same (docs/performance.md)
	cd bench/node && npm ci --silent --no-audit --no-fund
	cd bench && go run .

clients: ## test the emulator and the hosts with the clients of others (needs node, npm and chromium)
	cd segment/emulator/clients && npm ci --silent && go test -count=1 ./...
	for folder in serve/mcp/clients serve/rest/clients export/aacflow/clients; do (cd $$folder && npm ci --silent) || exit 1; done
	SEGMENT_BLOCKS_REQUIRE_CLIENTS=1 go test -count=1 ./serve/... ./export/...

release: ## build the files of a release into dist/ without publishing them
	.ci/release

ci: ## everything that CI runs
	.ci/run

clean: ## remove bin/ and dist/
	rm -rf bin dist
