package blocks_test

import (
	"testing"
	"time"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/runtime/runtimetest"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestAcceptance(t *testing.T) {
	runtimetest.Run(t, runtimetest.Driver{
		Register: blocks.Register,
		Source: func(url string) any {
			return tracking.Source{
				WriteKey: runtimetest.Secret,
				Endpoint: url,
				Retry:    retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond},
			}
		},
	})
}
