package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/runtime"
)

// Every code of the runtime has an exit code of its own choice, so that a new one cannot be
// forgotten.
func TestExitCodes(t *testing.T) {
	want := map[runtime.Code]console.ExitCode{
		runtime.UnknownBlock: 2, runtime.UnknownSource: 2, runtime.Closed: 1, runtime.InvalidInput: 2,
		runtime.UnresolvedReference: 2, runtime.TooLarge: 2, runtime.MissingCredential: 4, runtime.Unauthorized: 4,
		runtime.Rejected: 3, runtime.RateLimited: 5, runtime.Unavailable: 5, runtime.Canceled: 130,
		runtime.DeadlineExceeded: 5, runtime.PartialFailure: 6, runtime.InvalidOutput: 1, runtime.Internal: 1,
	}
	for _, info := range runtime.Codes() {
		code, known := want[info.Code]
		require.True(t, known, "no exit code is chosen for %s", info.Code)
		assert.Equal(t, code, console.ExitOf(&runtime.Error{Code: info.Code}), info.Code)
	}
	assert.Equal(t, console.ExitRejected, console.ExitOf(&runtime.Error{Code: runtime.TooLarge, Status: 413}),
		"too large for the receiver")
	assert.Equal(t, console.ExitOK, console.ExitCodeOf(nil))
	assert.Equal(t, console.ExitInterrupted, console.ExitCodeOf(context.Canceled))
}

func TestYAMLKeepsWhatJSONSays(t *testing.T) {
	doc := `{"z":1.10,"a":12345678901234567890123,"e":1e5,"text":"1.10","yes":"yes","null":null,"list":[true,[],{}],` +
		`"lines":"a\nb","pair":"\ud83d\ude00","":"-"}`
	want := `z: 1.10
a: 12345678901234567890123
e: 1e5
text: "1.10"
"yes": "yes"
"null": null
list:
  - true
  - []
  - {}
lines: |-
  a
  b
pair: "\U0001F600"
"": '-'
`
	assert.Equal(t, want, string(console.YAML(json.RawMessage(doc))))
}

// An error whose output is a document is one line, whatever comes before it.
func TestReportIsOneDocument(t *testing.T) {
	var stderr bytes.Buffer
	p := &console.Console{Stderr: &stderr}
	p.Output = "json"
	p.Report(console.Usage("no %s", "way"))
	assert.JSONEq(t, `{"error":{"code":"usage","message":"no way","retryable":false,"violations":[]}}`, stderr.String())
	assert.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}

// Errors that were joined are one sentence, in text and in a document.
func TestJoinedErrorsAreOneLine(t *testing.T) {
	err := console.Failed("requests were cut off: %w",
		errors.Join(errors.New("one"), errors.Join(errors.New("two"), errors.New("three"))))
	var stderr bytes.Buffer
	p := &console.Console{Stderr: &stderr}
	p.Output = "text"
	p.Report(err)
	assert.Equal(t, "error: requests were cut off: one; two; three\n", stderr.String())
	stderr.Reset()
	p.Output = "json"
	p.Report(err)
	assert.Contains(t, stderr.String(), `"message":"requests were cut off: one; two; three"`)
}
