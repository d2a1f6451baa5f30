package importer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

func TestRate(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson", tracks(300, 10, 0))
	started := time.Now()
	run(t, importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Rate: 200})
	require.Greater(t, time.Since(started), 400*time.Millisecond)
	require.Len(t, r.events(), 300)
}

func TestWarningsAreSaidOnce(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson", strings.Repeat(`{"type":"track","event":"A","userId":"u","colour":"red"}`+"\n", 20))
	var said []string
	run(t, importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL),
		Warned: func(_ string, line int64, w schemas.Violation) {
			said = append(said, fmt.Sprint(line, w.Path, w.Code))
		},
	})
	require.Equal(t, []string{"1/colourfield_unknown"}, said)
}
