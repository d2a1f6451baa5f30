package guides

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const key, token = "S3cretS3cretS3cretS3cretS3cretS3", "a-token-for-tally"

// What docs/embedding.md shows is taken from here.
func TestEmbedding(t *testing.T) {
	ctx := t.Context()
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer segment.Close(context.WithoutCancel(ctx))
	endpoint := segment.URL

	require.NoError(t, threeLines(ctx, endpoint))
	require.NoError(t, sources(ctx))
	for _, userID := range []string{"u-42", ""} {
		output, details := failing(ctx, t, endpoint, userID)
		require.Equal(t, userID == "", details != nil)
		require.Equal(t, userID != "", output != nil)
	}
	require.Len(t, segment.Events(emulator.Filter{}), 2)
}

func threeLines(ctx context.Context, endpoint string) error {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: key, Endpoint: endpoint}))
	if err != nil {
		return err
	}
	defer rt.Close(ctx)

	res, err := rt.Invoke(ctx, "segment_track", runtime.Map{"event": "Order Completed", "userId": "u-42"})
	if err != nil {
		return err
	}
	if res.Receipt.Accepted != 1 {
		return errors.New("one message must be accepted")
	}
	return nil
}

func sources(ctx context.Context) error {
	transport := runtime.NewTransport()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13}

	reg := registry.New()
	blocks.MustRegister(reg)
	customblock.MustRegister(reg)
	rt, err := runtime.New(reg,
		runtime.Source("prod", tracking.Source{WriteKey: key, Region: tracking.EU}),
		runtime.Source("staging", tracking.Source{WriteKey: key, Region: tracking.US}),
		runtime.Source("tally", customblock.Source{URL: "https://tally.example.com", APIKey: token}),
		runtime.Transport(transport))
	if err != nil {
		return err
	}
	requests, _, err := rt.Preview(ctx, "segment_track", runtime.Map{"event": "Order Completed", "userId": "u-42"},
		runtime.ToSource("staging"), runtime.InvocationID("wf-1/run-7/node-3/loop-1:0"))
	if err != nil {
		return err
	}
	err = pinned(ctx, rt, runtime.Map{"event": "Order Completed"})
	if runtime.ErrorOf(err).Code != runtime.InvalidInput {
		return err
	}
	if len(requests) != 1 || requests[0].Method != http.MethodPost {
		return errors.New("one request must be previewed")
	}
	last, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := rt.Close(last); err != nil {
		return err // invocations were still under way
	}
	transport.CloseIdleConnections()
	return nil
}

// pinned demands a major version. Its input names nobody, so nothing is sent.
func pinned(ctx context.Context, rt *runtime.Runtime, input runtime.Input) error {
	res, err := rt.Invoke(ctx, "segment_track@1", input)
	if err == nil {
		return fmt.Errorf("an event of nobody was sent: %s", res.Output)
	}
	return err
}

func failing(ctx context.Context, t *testing.T, endpoint, userID string) (output []byte, details *runtime.Error) {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{WriteKey: key, Endpoint: endpoint}))
	require.NoError(t, err)
	defer rt.Close(context.WithoutCancel(ctx))

	input := runtime.Map{"event": "Order Completed", "userId": userID}
	res, err := rt.Invoke(ctx, "segment_track", input)
	var failed *runtime.Error
	if errors.As(err, &failed) {
		t.Log(failed)            // one line, fit to be all that a person sees
		t.Log(failed.Violations) // all that is wrong with the input: path, code, message
		t.Log(failed.Retryable)  // the same invocation may succeed later, unchanged
		t.Log(failed.Receipt)    // what was tried
		return nil, failed
	}
	return res.Output, nil
}
