// Package segment has the manifests of the Segment blocks, one YAML file for each block, and
// shared.yaml with their common definitions. Package schemas reads them; package blocks adds the
// executors.
package segment

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var manifests embed.FS

// Manifests returns the files. The pages in docs/blocks are generated from them.
func Manifests() fs.FS { return manifests }
