package aacflow_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// parser is a process of the TypeScript compiler that parses one set of files after the other.
type parser struct {
	in  *json.Encoder
	out *bufio.Reader
}

func newParser(t testing.TB) parser {
	cmd := exec.Command(needNode(t), "parse.mjs")
	cmd.Dir = "clients"
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		_, _ = io.Copy(io.Discard, out)
		require.NoError(t, cmd.Wait())
	})
	return parser{json.NewEncoder(in), bufio.NewReader(out)}
}

// faults returns what the compiler says of files.
func (p parser) faults(t testing.TB, files []aacflow.File) (faults []string) {
	texts := map[string]string{}
	for _, f := range files {
		if strings.HasSuffix(f.Path, ".ts") || strings.HasSuffix(f.Path, ".tsx") {
			texts[f.Path] = string(f.Content)
		}
	}
	require.NoError(t, p.in.Encode(map[string]any{"files": texts}))
	line, err := p.out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &faults))
	return faults
}

// vendor makes the files of a manifest whose names and texts are those given, or returns false
// where the loader does not take it.
func vendor(t testing.TB, name, other, text string) ([]aacflow.File, bool) {
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return string(b)
	}
	// The same parameter has another description in each block, so that the form has several fields
	// for it.
	var manifests []*schemas.Manifest
	for _, op := range []string{"post", "read"} {
		field := func(name string) string {
			return fmt.Sprintf(`%s: {type: [string, "null"], description: %s, examples: [%s],
      x-filled-by: user-or-llm, x-aacflow-type: string}`,
				quoted(name), quoted(op+" "+text), quoted("x"+text))
		}
		manifest := fmt.Sprintf(`
id: evil_%[1]s
name: %[2]s
summary: %[2]s
description: %[2]s
whenToUse: %[2]s
version: 1.0.0
category: analytics
tags: [notes]
input:
  type: object
  additionalProperties: false
  properties:
    title: {type: string, description: A title., examples: [x], x-filled-by: user-or-llm, x-aacflow-type: string}
    %[3]s
    %[4]s
  allOf:
    - {required: [title], title: %[2]s}
output:
  type: object
  additionalProperties: false
  required: [posted]
  properties:
    posted: {type: boolean, description: %[2]s, x-aacflow-type: boolean}
    %[5]s: {type: string, description: %[2]s, x-aacflow-type: string}
examples:
  - title: x
    input: {title: x}
    output: {posted: true}
refused:
  - title: r
    input: {title: ''}
    violations:
      - {path: /title, code: missing_parameter}
`, op, quoted("x "+text), field(name), field(other), quoted(name))
		loaded, err := schemas.Load(fstest.MapFS{"evil_" + op + ".yaml": {Data: []byte(manifest)}})
		if err != nil {
			return nil, false
		}
		manifests = append(manifests, loaded...)
	}
	reg := registry.New()
	for _, m := range manifests {
		require.NoError(t, reg.Register(documented{m}))
	}
	in := aacflow.Segment()
	in.ID, in.Name, in.Summary, in.Operations = "evil", "Evil "+text, text, []string{"post"}
	files, err := aacflow.Native(reg, in, aacflow.Sim08)
	if err != nil {
		require.ErrorContains(t, err, "keeps for itself")
		return nil, false
	}
	return files, true
}

// hostileNames are names that mean something in TypeScript, or end what they stand in.
func hostileNames() []string {
	return []string{
		"order-id", "a: (globalThis.PWNED = 8), b/*", "*/: 1, e: 2//", "*/ PWNED /*", "'+PWNED+'", `"+PWNED+"`,
		`\'+PWNED+'`,
		"`+PWNED+`", "${PWNED}",
		"a\nPWNED\n", "a\u2028PWNED\u2029", "a\rPWNED", "</script><script>PWNED", "class", "default", "await",
		"__proto__",
		"constructor", "toString",
		"", " ", "2fa", "Ünïcode", "é", "日本", "a.b", "a[b]", "[PWNED]", "commonTitle", "postX", "\u202ePWNED",
		"\x00",
		"\x7f",
		"😀", `\u0041`, `\`, "//", "/*", "<!--",
		"a?: string; [PWNED", "get", "constructor(){PWNED}", "params", "input", "a\u0085PWNED", "\ufeff", "{{PWNED}}",
		"<start.PWNED>",
	}
}

// TestNamesAreQuoted: whatever manifests call their parameters, and say of them, is text in the
// files.
func TestNamesAreQuoted(t *testing.T) {
	parse := newParser(t)
	require.NotEmpty(t, parse.faults(t, []aacflow.File{{Path: "a.ts", Content: []byte("const a = {b: (PWNED = 1)}")}}))
	require.NotEmpty(t, parse.faults(t, []aacflow.File{{Path: "a.ts", Content: []byte("const a = {order-id: 1}")}}))
	names, made := hostileNames(), 0
	for i, name := range names {
		for _, other := range []string{names[(i+1)%len(names)], "commonX"} {
			if files, ok := vendor(t, name, other, names[(i+2)%len(names)]); ok {
				made++
				require.Empty(t, parse.faults(t, files), "%q %q", name, other)
			}
		}
	}
	require.Greater(t, made, 50)
}

func FuzzNames(f *testing.F) {
	names := hostileNames()
	for i, name := range names {
		f.Add(name, names[(i+1)%len(names)], names[(i+2)%len(names)])
	}
	parse := newParser(f)
	f.Fuzz(func(t *testing.T, name, other, text string) {
		if files, ok := vendor(t, name, other, text); ok {
			require.Empty(t, parse.faults(t, files))
		}
	})
}
