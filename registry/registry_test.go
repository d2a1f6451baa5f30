package registry_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/segment"
)

type documented struct{ manifest *schemas.Manifest }

func (d documented) Manifest() *schemas.Manifest { return d.manifest }

func segmentBlocks(t *testing.T) []registry.Block {
	manifests, err := schemas.Load(segment.Manifests())
	require.NoError(t, err)
	var list []registry.Block
	for _, m := range manifests {
		list = append(list, documented{m})
	}
	return list
}

func full(t *testing.T) *registry.Registry {
	r := registry.New()
	require.NoError(t, r.Register(segmentBlocks(t)...))
	return r
}

func ids(list []registry.Block) string {
	var out []string
	for _, b := range list {
		out = append(out, strings.TrimPrefix(b.Manifest().ID, "segment_"))
	}
	return strings.Join(out, " ")
}

func TestRegister(t *testing.T) {
	r := full(t)
	require.Equal(t, "alias batch group identify page screen track", ids(r.List()))

	err := r.Register(segmentBlocks(t)[0])
	require.ErrorIs(t, err, registry.ErrDuplicate)
	require.ErrorContains(t, err, `"segment_alias"`)
	require.Panics(t, func() { r.MustRegister(segmentBlocks(t)[0]) })

	bad := documented{&schemas.Manifest{About: schemas.About{ID: "Bad-Id"}}}
	empty := registry.New()
	require.ErrorIs(t, empty.Register(segmentBlocks(t)[0], bad), registry.ErrInvalidID)
	require.Empty(t, empty.List(), "all or none")
	twice := segmentBlocks(t)[0]
	require.ErrorIs(t, empty.Register(twice, twice), registry.ErrDuplicate)
	require.Empty(t, empty.List(), "all or none")
}

func TestLookup(t *testing.T) {
	r := full(t)
	b, ok := r.Lookup("segment_track")
	require.True(t, ok)
	require.Equal(t, "Segment Track", b.Manifest().Name)
	_, ok = r.Lookup("segment_trak")
	require.False(t, ok)
}

func TestFind(t *testing.T) {
	r := full(t)
	for _, ref := range []string{"segment_track", "segment_track@1"} {
		b, err := r.Find(ref)
		require.NoError(t, err)
		require.Equal(t, "segment_track", b.Manifest().ID)
	}
	_, err := r.Find("segment_track@2")
	require.ErrorContains(t, err, "has no major version 2 here, only 1.")
	_, err = r.Find("segment_trak@1")
	require.ErrorIs(t, err, registry.ErrUnknown)
	require.EqualError(t, err, `is not a known block; did you mean "segment_track"?`)
	_, err = r.Find("http_request")
	require.EqualError(t, err, "is not a known block")
}

// Several major versions of a block may be registered. A reference without a version means the
// newest one.
func TestMajors(t *testing.T) {
	r := full(t)
	of := func(version string) documented {
		return documented{&schemas.Manifest{About: schemas.About{ID: "segment_track", Version: version}}}
	}
	first, _ := r.Lookup("segment_track")
	require.NoError(t, r.Register(of("10.0.1"), of("2.1.0")))
	require.ErrorIs(t, r.Register(of("2.2.0")), registry.ErrDuplicate)
	b, ok := r.Lookup("segment_track")
	require.True(t, ok)
	require.Equal(t, "segment_track@10", b.Manifest().Ref())
	require.Len(t, r.List(), 7)
	require.Len(t, r.All(), 9)
	for ref, version := range map[string]string{
		"segment_track": "10.0.1", "segment_track@10": "10.0.1", "segment_track@2": "2.1.0",
		"segment_track@1": first.Manifest().Version,
	} {
		b, err := r.Find(ref)
		require.NoError(t, err)
		require.Equal(t, version, b.Manifest().Version, ref)
	}
	_, err := r.Find("segment_track@3")
	require.EqualError(t, err, "has no major version 3 here, only 10.0.1 and 2.1.0 and "+first.Manifest().Version)

	e := r.Entry(first)
	require.Equal(t, "segment_track@1", e.Ref())
	require.Equal(t, []int{10, 2, 1}, e.Majors)
	require.Empty(t, full(t).Entry(first).Majors)
	only, err := r.With("segment_track@2", "segment_page")
	require.NoError(t, err)
	require.Len(t, only.All(), 2)
	rest, err := r.Without("segment_track@10")
	require.NoError(t, err)
	b, _ = rest.Lookup("segment_track")
	require.Equal(t, "2.1.0", b.Manifest().Version)
	_, err = r.With("segment_track@3")
	require.ErrorContains(t, err, `"segment_track@3" has no major version 3 here, only 10.0.1 and 2.1.0 and `)
}

func TestSearch(t *testing.T) {
	r := full(t)
	for query, want := range map[string]string{
		"":                "alias batch group identify page screen track",
		"TRACK":           "track batch identify page screen",
		"segment batch":   "batch track",
		"previousId":      "alias batch",
		"website":         "page screen",
		"zebra":           "",
		"account company": "group",
	} {
		require.Equal(t, want, ids(r.Search(query)), query)
	}
}

func TestSubsets(t *testing.T) {
	r := full(t)
	only, err := r.With("segment_track", "segment_page")
	require.NoError(t, err)
	require.Equal(t, "page track", ids(only.List()))
	rest, err := r.Without("segment_batch")
	require.NoError(t, err)
	require.Equal(t, "alias group identify page screen track", ids(rest.List()))
	require.Len(t, r.List(), 7, "the original stays whole")

	_, err = r.With("segment_trak")
	require.ErrorIs(t, err, registry.ErrUnknown)
	require.ErrorContains(t, err, `did you mean "segment_track"?`)
	_, err = r.Without("segment_trak")
	require.ErrorIs(t, err, registry.ErrUnknown)

	clone := only.Clone()
	clone.MustRegister(documented{&schemas.Manifest{About: schemas.About{ID: "other_block"}}})
	require.Len(t, only.List(), 2)
}

func TestCatalogIsPlainData(t *testing.T) {
	data, err := json.Marshal(full(t).Catalog())
	require.NoError(t, err)
	var entries []registry.Entry
	require.NoError(t, json.Unmarshal(data, &entries))
	require.Len(t, entries, 7)
	for _, e := range entries {
		require.NotEmpty(t, e.Input, e.ID)
		require.NotEmpty(t, e.Rules, e.ID)
		require.True(t, json.Valid(e.InputSchema), e.ID)
		require.NotEmpty(t, e.Examples, e.ID)
		require.NotEmpty(t, e.Refused[0].Violations, e.ID)
	}
}

func TestConcurrentUse(t *testing.T) {
	r := registry.New()
	list := segmentBlocks(t)
	var group sync.WaitGroup
	for _, b := range list {
		group.Go(func() { r.MustRegister(b) })
		group.Go(func() { _ = r.List(); _ = r.Search("track"); _ = r.Catalog(); _, _ = r.Lookup("segment_page") })
	}
	group.Wait()
	require.Len(t, r.List(), len(list))
}

func TestMarkdown(t *testing.T) {
	r := full(t)
	b, ok := r.Lookup("segment_track")
	require.True(t, ok)
	e := r.Entry(b)
	e.InputSchema = json.RawMessage(`{"required":["event"]}`)
	e.Input = append(slices.Clone(e.Input), schemas.Field{Name: "count", Type: "number"})
	e.Input[1].Description = "A | pipe, a <tag> and {{braces}}"
	require.NotContains(t, e.Markdown(), "Deprecated")
	e.Deprecation = schemas.Deprecation{Deprecated: "Events have moved", ReplacedBy: "other_block"}
	e.Changes = []schemas.Change{{Version: "1.0.0", Text: "The first version."}}
	page := e.Markdown()
	require.Contains(t, page, "> **Deprecated.** Events have moved. Use other_block instead.\n")
	require.Contains(t, page, "## Changes\n\n- 1.0.0: The first version.\n")
	require.Contains(t, page, "**Orders from Shopify as Segment events.** Build a workflow")
	require.Contains(t, page, "````markdown\n# Track an event\n")
	require.Contains(t, page,
		"| `event` | string | Yes | A \\| pipe, a &lt;tag> and &#123;&#123;braces}} Example: `Order Completed`. |\n")
	require.Contains(t, page, "| `userId` | string | No |")
	require.Contains(t, page,
		"- `properties` takes an object, `context` takes an object, `integrations` takes an object, `count` takes a "+
			"number. Each may also be JSON as text.\n")
	require.Contains(t, page, "| (all of it) | `no_user_anon_id` |\n")
	require.Contains(t, page, `"total": 42.50`)
	require.True(t, strings.HasSuffix(page, "\n") && !strings.HasSuffix(page, "\n\n"))
}
