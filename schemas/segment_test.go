package schemas_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/segment"
)

func TestSegmentManifests(t *testing.T) {
	ms, err := schemas.Load(segment.Manifests())
	require.NoError(t, err)
	for _, m := range ms {
		fmt.Println(m.ID, len(m.Input.Fields()), m.Input.Rules())
		for _, r := range m.Refused {
			fmt.Println("  ", r.Title)
			for _, v := range m.Input.Validate(r.Input) {
				fmt.Printf("     %-25s %-25s %s\n", v.Path, v.Code, v.Message)
			}
		}
	}
	o, err := rawjson.ParseObject([]byte(`{"event":"Segment Consent Preference Updated","userId":"u","context":{"consent":{"categoryPreferences":{"a":1,"b":"x"},"version":"1"},"device":{"advertisingId":3}}}`), rawjson.Limits{})
	require.NoError(t, err)
	fmt.Println(ms[6].Input.Validate(o))
}
