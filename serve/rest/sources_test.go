package rest_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// notes is a vendor whose sources say nothing about themselves.
type notes struct{ Token string }

const notesManifest = `
id: notes_add
name: Add a note
summary: Add a note
description: Adds a note.
whenToUse: To add a note.
version: 1.0.0
category: notes
input: {type: object, additionalProperties: false, properties: {text: {type: string, x-aacflow-type: string,
  x-filled-by: user-or-llm, description: The text., examples: [hi]}}}
output:
  type: object
  additionalProperties: false
  required: [done]
  properties: {done: {type: boolean, x-aacflow-type: boolean, description: Done.}}
examples: [{title: A note, input: {text: hi}, output: {done: true}}]
`

func TestSources(t *testing.T) {
	store, err := delivery.Open(filepath.Join(t.TempDir(), "queue.db"), delivery.StoreOptions{})
	require.NoError(t, err)
	defer store.Close(context.Background())
	eu := tracking.Source{WriteKey: writeKey, Region: "EU"}
	coalesced, closeSource := delivery.Coalesce(eu, delivery.CoalesceOptions{})
	defer closeSource(context.Background())
	manifests, err := schemas.Load(fstest.MapFS{"notes_add.yaml": {Data: []byte(notesManifest)}})
	require.NoError(t, err)
	reg := registry.New()
	blocks.MustRegister(reg)
	require.NoError(t, reg.Register(runtime.Define(manifests[0],
		func(context.Context, *runtime.Call, notes) (any, error) { return map[string]bool{"done": true}, nil })))
	local := tracking.Source{Endpoint: "http://127.0.0.1:1/v1/"}
	keyed := local
	keyed.WriteKey = writeKey
	rt, err := runtime.New(reg,
		runtime.Source("coalesced", coalesced), runtime.Source("durable", store.Source("durable", keyed)),
		runtime.EmulatedSource("keyless", local), runtime.Source("us", &tracking.Source{WriteKey: writeKey}),
		runtime.Source("notes", notes{Token: writeKey}))
	require.NoError(t, err)
	server := httptest.NewServer(rest.New(rt, reg, rest.Config{}))
	defer server.Close()
	b := &bench{t: t, registry: reg, runtime: rt, url: server.URL}
	_, router := b.described()
	a := b.check(router, true, "GET", "/v1/sources", "")
	require.NotContains(t, a.text, writeKey)
	var got struct{ Sources []map[string]any }
	a.into(t, &got)
	key := tracking.WriteKey(writeKey).Fingerprint()
	segment := `["segment_alias","segment_batch","segment_group","segment_identify","segment_page","segment_screen",` +
		`"segment_track"]`
	source := func(name, endpoint, region, delivery, fingerprint, blocks string, is, emulated bool) string {
		doc, err := json.Marshal(map[string]any{
			"name": name, "default": is, "endpoint": endpoint, "region": region, "emulated": emulated,
			"delivery":    delivery,
			"fingerprint": fingerprint, "blocks": json.RawMessage(blocks),
		})
		require.NoError(t, err)
		return string(doc)
	}
	want := []string{
		source("coalesced", "https://events.eu1.segmentapis.com", "eu", "coalesced", key, segment, true, false),
		source("durable", "http://127.0.0.1:1", "", "durable", key, segment, false, false),
		source("keyless", "http://127.0.0.1:1", "", "direct", "key:none", segment, false, true),
		source("us", "https://api.segment.io", "us", "direct", key, segment, false, false),
		source("notes", "", "", "", "", `["notes_add"]`, true, false),
	}
	require.JSONEq(t, `{"sources":[`+strings.Join(want, ",")+`]}`, a.text)
}
