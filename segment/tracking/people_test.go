package tracking_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestPeople(t *testing.T) {
	m := item(t, `{"type":"alias","userId":"u\u002d1","previousId":"p","anonymousId":null,"groupId":"g","context":{"userId":"not me"}}`)
	var of []string
	visit := func(id []byte) { of = append(of, string(id)) }
	m.People(visit)
	require.Equal(t, []string{`"u-1"`, `"p"`}, of)

	prepared, _, err := tracking.NewClient(nil).Prepare(t.Context(), tracking.Source{WriteKey: testKey}, []tracking.Message{m}, tracking.BatchOptions{})
	require.NoError(t, err)
	of = nil
	prepared[0].People(visit)
	require.ElementsMatch(t, []string{`"u-1"`, `"p"`}, of)
}
