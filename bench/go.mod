module github.com/aacflow/segment-blocks/bench

go 1.26.0

// npm packages may carry Go files; they are none of ours.
ignore ./node/node_modules

replace github.com/aacflow/segment-blocks => ..

require (
	github.com/aacflow/segment-blocks v0.0.0-00010101000000-000000000000
	gopkg.in/segmentio/analytics-go.v3 v3.1.0
)

require (
	github.com/agnivade/levenshtein v1.2.2 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/go-resty/resty/v2 v2.17.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.20.1 // indirect
	github.com/santhosh-tekuri/jsonschema/v5 v5.3.1 // indirect
	github.com/segmentio/backo-go v1.1.0 // indirect
	github.com/xtgo/uuid v0.0.0-20140804021211-a0b114877d4c // indirect
	golang.org/x/net v0.59.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
