package blocks

import "runtime/debug"

// module is how a program that embeds the blocks has them among its dependencies.
const module = "github.com/aacflow/segment-blocks"

// Version is the version of this module in the running program, as the Go toolchain recorded it, or
// dev. Segment sees it in the User-Agent header and in context.library.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	version := info.Main.Version
	if info.Main.Path != module {
		version = ""
		for _, dep := range info.Deps {
			if dep.Path == module {
				version = dep.Version
			}
		}
	}
	if version == "" || version == "(devel)" {
		return "dev"
	}
	return version
}
