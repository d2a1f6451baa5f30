package blocks_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/wire from what is sent now")

// TestGolden invokes with the "input" of each file in testdata/wire. It compares the requests, the
// output, the warnings and the error with the rest of the file.
//
// A file begins with a comment. Lines in it of the form "name: value" say how to invoke: block is
// the block, id the invocation id, and answer a status and body with which the receiver answers.
// Run with -update to rewrite everything but the comment and the input.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			g := readGolden(t, file)
			got := g.run(t)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o644))
				return
			}
			require.Equal(t, g.archive.String(), got.String())
		})
	}
}

// TestGoldenCoversEveryBlock fails for a new block without golden files.
func TestGoldenCoversEveryBlock(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txtar")
	require.NoError(t, err)
	sent, refused := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		g := readGolden(t, file)
		block := g.header["block"]
		sent[block] = sent[block] || g.archive.get("output") != ""
		refused[block] = refused[block] || g.archive.get("error") != "" && g.archive.get("wire") == ""
	}
	for _, b := range segmentBlocks().List() {
		require.True(t, sent[b.Manifest().ID], "no golden file shows what %s sends", b.Manifest().ID)
		require.True(t, refused[b.Manifest().ID], "no golden file shows what %s refuses", b.Manifest().ID)
	}
}

type golden struct {
	archive *archive
	header  map[string]string
	input   string
}

func readGolden(t *testing.T, file string) *golden {
	t.Helper()
	g := &golden{archive: parseArchive(string(readFile(t, file))), header: map[string]string{}}
	for line := range strings.Lines(string(g.archive.Comment)) {
		if name, value, ok := strings.Cut(line, ": "); ok {
			g.header[name] = strings.TrimSpace(value)
		}
	}
	g.input = strings.TrimSuffix(g.archive.get("input"), "\n")
	require.NotEmpty(t, g.input, "%s has no input", file)
	return g
}

// run invokes as the file says, and returns the file with what really happened.
func (g *golden) run(t *testing.T) *archive {
	b := start(t, retrying(fast(1)))
	if answer := g.header["answer"]; answer != "" {
		f := emulator.Fault{Times: -1}
		code, body, _ := strings.Cut(answer, " ")
		_, err := fmt.Sscan(code, &f.Status)
		require.NoError(t, err)
		f.Body = body
		b.script(f)
	}
	var options []runtime.InvokeOption
	if id := g.header["id"]; id != "" {
		options = append(options, runtime.InvocationID(id))
	}
	got := &archive{txtar.Archive{Comment: g.archive.Comment}}
	got.add("input", g.input)

	preview, previewed, previewErr := b.rt.Preview(t.Context(), g.header["block"], runtime.JSON(g.input), options...)
	res, err := b.invoke(g.header["block"], g.input, options...)
	if err != nil {
		e := asError(t, err)
		wire := wireOf(t, b, e.Receipt, g.header["id"] == "")
		if len(wire) > 0 {
			require.NoError(t, previewErr, "a preview knows nothing of the receiver")
			got.add("wire", wire[0]) // the retries differ only in X-Retry-Count
		} else {
			requireSameRefusal(t, e, previewErr)
		}
		got.add("error", errorText(b, e))
		return got
	}
	require.NoError(t, previewErr)
	require.Equal(t, res.Receipt.Warnings, previewed.Warnings)
	sent := wireOf(t, b, res.Receipt, g.header["id"] == "")
	require.Equal(t, sent, previewOf(b, preview, previewed, g.header["id"] == ""), "a preview shows what is sent")
	for i, r := range sent {
		got.add("wire"+map[bool]string{true: " " + itoa(i)}[len(sent) > 1], r)
	}
	got.add("output", string(res.Output))
	got.add("warnings", warningText(res.Receipt))
	return got
}

func requireSameRefusal(t *testing.T, e *runtime.Error, previewed error) {
	t.Helper()
	p := asError(t, previewed)
	require.Equal(t, []any{e.Code, e.Message, e.Violations}, []any{p.Code, p.Message, p.Violations},
		"a preview refuses what is refused")
}

func wireOf(t *testing.T, b *bench, receipt *runtime.Receipt, random bool) []string {
	t.Helper()
	requireBasic(t, b.requests())
	var list []string
	for _, r := range b.requests() {
		require.True(t, json.Valid(r.body))
		list = append(list, showRequest(r.method, r.path, r.header, r.body, receipt, random))
	}
	return list
}

func previewOf(b *bench, requests []runtime.Request, receipt *runtime.Receipt, random bool) []string {
	var list []string
	for _, r := range requests {
		list = append(list, showRequest(r.Method, strings.TrimPrefix(r.URL, b.url), r.Header, []byte(r.Body), receipt,
			random))
	}
	return list
}

// showRequest writes a request in the form of the golden files: the headers that matter, and the
// body byte for byte.
func showRequest(method, path string, header http.Header, body []byte, receipt *runtime.Receipt, random bool) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s\n", method, path)
	for _, name := range []string{"Authorization", "Content-Type", "Content-Encoding", "User-Agent"} {
		if value := header.Get(name); value != "" {
			fmt.Fprintf(&s, "%s: %s\n", name, value)
		}
	}
	return stable(s.String()+"\n"+string(body)+"\n", receipt, random)
}

var (
	authorization = regexp.MustCompile(`(?m)^(Authorization: Basic ).*$`)
	sentAt        = regexp.MustCompile(`^((?s).*?\n\n\{"sentAt":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	randomID      = regexp.MustCompile(`"sb1-[0-9a-f]{32}"`)
)

// stable replaces what differs from run to run in a request: the credential, which requireBasic has
// checked; the time of sending; the time of the invocation, which is the default timestamp; the
// version of this module; and the message ids of an invocation without an id, which are random.
func stable(s string, receipt *runtime.Receipt, random bool) string {
	s = authorization.ReplaceAllString(s, "${1}WRITE-KEY")
	s = sentAt.ReplaceAllString(s, `${1}SENT-AT"`)
	s = strings.ReplaceAll(s, `"`+isotime.Format(receipt.StartedAt)+`"`, `"INVOKED-AT"`)
	s = strings.ReplaceAll(s, "segment-blocks/"+blocks.Version(), "segment-blocks/VERSION")
	s = strings.ReplaceAll(s, `{"name":"segment-blocks","version":"`+blocks.Version()+`"}`,
		`{"name":"segment-blocks","version":"VERSION"}`)
	if random {
		s = randomID.ReplaceAllString(s, `"RANDOM"`)
	}
	return s
}

func errorText(b *bench, e *runtime.Error) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s\n", e.Code, strings.ReplaceAll(e.Error(), b.url, "http://segment"))
	for _, v := range e.Violations {
		fmt.Fprintf(&s, "%q %s: %s\n", v.Path, v.Code, v.Message)
	}
	return s.String()
}

func warningText(receipt *runtime.Receipt) string {
	var s strings.Builder
	for _, w := range receipt.Warnings {
		fmt.Fprintf(&s, "%s %s: %s\n", w.Path, w.Code, w.Message)
	}
	return s.String()
}
