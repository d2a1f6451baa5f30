package importer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/importer"
)

func TestRate(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson", tracks(300, 10, 0))
	started := time.Now()
	run(t, importer.Options{Inputs: []*importer.Input{in}, Invoke: invoker(t, r.URL), Rate: 200})
	require.Greater(t, time.Since(started), 400*time.Millisecond)
	require.Len(t, r.events(), 300)
}

func TestWarningsAreSaidOnce(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson", strings.Repeat(`{"type":"track","event":"A","userId":"u","colour":"red"}`+"\n", 20))
	var said []string
	run(t, importer.Options{
		Inputs: []*importer.Input{in}, Invoke: invoker(t, r.URL),
		Warned: func(_ string, line int64, w runtime.Warning) { said = append(said, fmt.Sprint(line, w.Path, w.Code)) },
	})
	require.Equal(t, []string{"1/colourfield_unknown"}, said)
}

func TestSample(t *testing.T) {
	in := file(t, "events.ndjson", "nothing\n"+tracks(5, 1, 0))
	batch, err := importer.Sample(importer.Options{Inputs: []*importer.Input{in}, Key: key}, 2, func(one runtime.JSON) error {
		if bytes.Contains(one, []byte("E0")) {
			return errors.New("no")
		}
		return nil
	})
	require.NoError(t, err)
	list, _ := rawjson.At(json.RawMessage(batch), "/batch")
	require.Len(t, rawjson.OpenArray(list), 2)
	require.Contains(t, string(batch), "E1")
}
