package schemas_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
)

func TestCutMajor(t *testing.T) {
	for ref, want := range map[string]int{
		"segment_track@1": 1, "segment_track@12": 12, "segment_track": 0, "segment_track@": 0, "segment_track@0": 0,
		"segment_track@01": 0, "segment_track@-1": 0, "segment_track@+1": 0, "segment_track@1.2": 0,
		"segment_track@1@2":                  0,
		"segment_track@99999999999999999999": 0, "": 0, "@": 0,
	} {
		id, major := schemas.CutMajor(ref)
		require.Equal(t, want, major, ref)
		if want == 0 {
			require.Equal(t, ref, id)
		} else {
			require.Equal(t, "segment_track", id)
		}
	}
	require.Equal(t, 12, (schemas.About{Version: "12.3.4"}).Major())
}
