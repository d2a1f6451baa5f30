// Package paths compares the names of files.
package paths

import (
	"os"
	"path/filepath"
)

// Same reports whether two paths lead to the same file, which need not exist. An empty path leads
// nowhere.
func Same(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	if err == nil && err2 == nil {
		return os.SameFile(one, other)
	}
	return Resolve(a) == Resolve(b)
}

// Resolve returns the absolute path behind all symbolic links, including a link to a file that does
// not exist yet. Two processes that write the same file by different names resolve both to one
// path.
func Resolve(path string) string {
	const links = 40 // as many as systems follow
	for range links {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
			break
		}
		target, err := os.Readlink(path)
		if err != nil {
			if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
				path = filepath.Join(dir, filepath.Base(path))
			}
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
