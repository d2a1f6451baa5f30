// Package segment holds the manifests of the Segment blocks, one YAML file a block, and shared.yaml
// with the definitions that they have in common. Package schemas reads them; package blocks puts
// executors behind them.
package segment

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var manifests embed.FS

// Manifests returns the files. The documentation of what they declare is generated from them, into
// docs/blocks.
func Manifests() fs.FS { return manifests }
