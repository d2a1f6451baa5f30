package contract

import (
	"fmt"

	"github.com/aacflow/segment-blocks/schemas"
)

// next returns the least version for what has changed since another.
func next(version string, changed, breaking bool) string {
	v := schemas.VersionNumbers(version)
	switch {
	case breaking:
		return fmt.Sprintf("%d.0.0", v[0]+1)
	case changed:
		return fmt.Sprintf("%d.%d.0", v[0], v[1]+1)
	}
	return version
}
