package settings

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	words "github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/schemas"
)

// Environment is the name of the source that environment variables describe. A file cannot define
// one of this name.
const Environment = "environment"

// Kind is the type of a setting's value.
type Kind string

// The kinds of values. The kind of a value that is one of a few words lists them, such as us/eu.
const (
	Text     Kind = "string"
	Path     Kind = "file" // in a configuration file it is relative to that file
	List     Kind = "strings"
	Number   Kind = "int"
	Decimal  Kind = "float"
	Duration Kind = "duration"
	Bool     Kind = "bool"
	URL      Kind = "url"
	Secret   Kind = "secret"   // its value is never shown
	Variable Kind = "variable" // the name of an environment variable
)

// Setting is one thing that can be configured. The tables of settings say what a file may hold,
// which variables and flags there are, and what help and config show print.
type Setting struct {
	// Key is its place in a file, such as retry.maxRetries. NAME stands for the name of a source.
	Key string
	// Env and Flag are the variable and the flag that set it, "" for none.
	Env, Flag string
	Kind      Kind
	// Default is its value if nothing sets it, nil if Says tells what happens then.
	Default any
	Says    string
}

//go:embed settings.txt
var table string

// All returns the settings in the order of the table: key, variable, flag, kind, default and what
// the setting is for. A default of - is none.
func All() []Setting {
	var list []Setting
	for line := range strings.Lines(table) {
		column := strings.SplitN(line, "|", 6)
		for i := range column {
			column[i] = strings.TrimSpace(column[i])
		}
		s := Setting{Key: column[0], Env: column[1], Flag: column[2], Kind: Kind(column[3]), Says: column[5]}
		if column[4] != "-" {
			s.Default, _ = s.read(column[4]) // a choice need not have one
		}
		list = append(list, s)
	}
	// Each source may have its own retry settings. Their defaults are the general ones, so these
	// entries have none.
	for _, s := range list {
		if strings.HasPrefix(s.Key, "retry.") {
			list = append(list, Setting{Key: "sources.NAME." + s.Key, Kind: s.Kind, Says: s.Says})
		}
	}
	return list
}

// Table returns the settings that are not those of a source.
func Table() []Setting {
	return slices.DeleteFunc(All(), func(s Setting) bool { return strings.HasPrefix(s.Key, "sources.") })
}

// SourceTable returns the settings of each source. The variables are those of the source called
// [Environment].
func SourceTable() []Setting {
	return slices.DeleteFunc(All(), func(s Setting) bool { return !strings.HasPrefix(s.Key, "sources.") })
}

// Words lists what a setting can be, if it is one of a few words.
func (s Setting) Words() []string {
	if !strings.Contains(string(s.Kind), "/") {
		return nil
	}
	return strings.Split(string(s.Kind), "/")
}

// read checks a value that came as text and returns it in the setting's type. Its errors never
// repeat a value that may be secret.
func (s Setting) read(text string) (any, error) {
	switch s.Kind {
	case Number:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("must be a whole number, 0 or more: %q", text)
		}
		return n, nil
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("must be a duration such as 30s or 2m: %q", text)
		}
		return text, nil // as written, for config show
	case Decimal:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0) || math.IsInf(n, 0) {
			return nil, fmt.Errorf("must be a number, 0 or more: %q", text)
		}
		return n, nil
	case Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("must be true or false: %q", text)
		}
		return b, nil
	case List:
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	case Variable:
		// It may be the key itself.
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(text) {
			return nil, errors.New("must be the name of the environment variable that holds the key: " +
				"letters, digits and _")
		}
	case URL:
		// What is wrong with a URL may be that it holds a password, so it is not repeated.
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("must be a URL that begins with https:// and a host")
		}
	}
	if allowed := s.Words(); allowed != nil {
		if !slices.Contains(allowed, strings.ToLower(text)) {
			return nil, fmt.Errorf("must be %s: %q%s", words.Or(allowed...), text, schemas.DidYouMean(text, allowed))
		}
		return strings.ToLower(text), nil
	}
	return text, nil
}
