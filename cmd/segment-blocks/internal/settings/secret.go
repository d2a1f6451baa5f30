package settings

import (
	"regexp"
	"strings"
	"unicode"
)

// hide takes out of a text what looks like a key: one that was pasted where a name belongs must not reach a log by way of an error.
func hide(text string) string {
	return regexp.MustCompile(`[A-Za-z0-9]{12,}`).ReplaceAllStringFunc(text, func(word string) string {
		digits := strings.ContainsFunc(word, unicode.IsDigit)
		mixed := strings.ToLower(word) != word && strings.ToUpper(word) != word
		if digits || mixed && len(word) >= 16 || len(word) >= 24 {
			return "(not shown: it looks like a key)"
		}
		return word
	})
}

// hidePath does the same for a path. What has a folder or an ending is one.
func hidePath(path string) string {
	if strings.ContainsAny(path, `/\.`) {
		return path
	}
	return hide(path)
}
