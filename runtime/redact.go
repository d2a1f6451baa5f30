package runtime

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

const (
	redacted  = "[redacted]"
	minSecret = 8 // bytes
)

// redactor removes the secrets of one invocation from texts. It is the last guard: no code puts
// them there on purpose. It collects the secrets only when there is a text to look at, which most
// invocations never have.
type redactor struct {
	input  rawjson.Object
	fields []schemas.Field
	source any
}

// text replaces the secrets of the input and the source. It leaves short ones, because replacing
// them would damage every message.
func (r *redactor) text(s string) string {
	var secrets []string
	for _, f := range r.fields {
		if f.Secret {
			secrets = append(secrets, r.input.Text(f.Name))
		}
	}
	if source, ok := r.source.(interface{ Secrets() []string }); ok {
		secrets = append(secrets, source.Secrets()...)
	}
	var pairs []string
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			pairs = append(pairs, secret, redacted)
		}
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// object returns the input without its secrets.
func (r *redactor) object() json.RawMessage {
	shown := r.input
	for _, f := range r.fields {
		if f.Secret {
			shown = shown.Without(f.Name)
		}
	}
	return json.RawMessage(r.text(string(shown.JSON())))
}

func (r *redactor) error(e *Error) {
	e.Message = r.text(e.Message)
	r.violations(e.Violations)
	if e.Err != nil {
		if text := e.Err.Error(); r.text(text) != text {
			e.Err = errors.New(r.text(text)) // the cause would print it
		}
	}
}

func (r *redactor) violations(list []schemas.Violation) {
	for i := range list {
		list[i].Path, list[i].Message = r.text(list[i].Path), r.text(list[i].Message)
	}
}

// headers redacts the whole value of a header that is there for a credential.
func (r *redactor) headers(header http.Header) map[string][]string {
	shown := map[string][]string{}
	for name, values := range header {
		for _, v := range values {
			switch http.CanonicalHeaderKey(name) {
			case "Authorization", "Proxy-Authorization":
				scheme, _, two := strings.Cut(v, " ")
				if v = redacted; two {
					v = scheme + " " + redacted
				}
			case "Cookie", "Set-Cookie", "X-Api-Key", "X-Write-Key":
				v = redacted
			default:
				v = r.text(v)
			}
			shown[name] = append(shown[name], v)
		}
	}
	return shown
}
