package importer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Every release with the same stateVersion gives an event the same messageId. With another id, the
// events of a repeated import would count twice.
func TestDerivedIDsAreThoseOfEarlierReleases(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		o          Options
		want       []string
	}{
		"lines": {
			"a.ndjson", "{\"type\":\"track\",\"event\":\"A\"}\r\n\n {\"event\" : \"B\"} \n",
			Options{Type: "page"},
			[]string{"7989f21ba017b5a5cd80d51f622ef86e", "2001cbe92e9bf24fe6a08507b5d734ce"},
		},
		"a mark and no type": {
			"a.ndjson", "\xef\xbb\xbf{\"event\":\"A\",\"messageId\":null}",
			Options{},
			[]string{"50cec5cf68f66b4184a452aaf35c0a7c"},
		},
		"pretty": {
			"a.json", "{\n \"type\": \"track\"\n}\n{\"type\":\"track\"}",
			Options{},
			[]string{"9b1ce6bba4f6106190e619e05f0c8af2", "d6fd1c854e52b77de8594b53c3d1f86e"},
		},
		"a list": {
			"a.json", "[{\"type\":\"track\"},{\"type\":\"track\"}]",
			Options{},
			[]string{"8a437ca13e1d94fecdbede462a210762", "65e153b94cf841b7f1ce0a2c9ea92cc1"},
		},
		"rows": {
			"a.csv", "userId,n\nu,\"1\n\"\nu,2\n",
			Options{Type: "track"},
			[]string{"779e7e6a9be938752b6d519e3a8093e9", "2de66bb4b72e0fb8e87ef8e7e4d0695d"},
		},
		"times": {
			"a.ndjson", `{"timestamp":1769851800}`,
			Options{TimeFormat: Unix},
			[]string{"3e16668fdf2edf3cdae53e8827527ef3"},
		},
		"rejects": {
			"a.ndjson", `{"reasons":[],"origin":"f:12","message":{"type":"track"}}` + "\n" +
				`{"reasons":[],"message":{"type":"track"}}`,
			Options{},
			[]string{"c3a6f810cda964c55c2e4058cbce67e1", "19abb4f493016ee4a6c12b039a235da4"},
		},
		"an invocation id": {
			"a.ndjson", `{"type":"track"}`, Options{InvocationID: "i"}, []string{"fdfe6c4558fec4a2abe179df4ad053f8"},
		},
		"a part": {
			"a.ndjson", "{}\n{}\n",
			Options{Part: &Part{From: 3, To: 6, Offset: 3, Line: 2}},
			[]string{"43883fb06e30b5f34ea2d612a6e3ce31"},
		},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		c.o.Files, c.o.Key = []string{path}, "importImportImportImportImportIm"
		r := readerOf(t, c.o)
		for _, want := range c.want {
			e, err := r.next(t.Context())
			require.NoError(t, err)
			require.Equal(t, "sb1-"+want, rawjson.OpenObject(e.json).Text("messageId"), name)
		}
		r.close()
	}
}
