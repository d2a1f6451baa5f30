package blocks_test

import (
	"testing"
	"time"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/runtime/blocktest"
	"github.com/aacflow/segment-blocks/tracking"
)

func TestAcceptance(t *testing.T) {
	blocktest.Run(t, blocktest.Driver{
		Register: blocks.Register,
		Source: func(url string) any {
			return tracking.Source{
				WriteKey: blocktest.Secret,
				Endpoint: url,
				Retry:    tracking.RetryPolicy{MaxRetries: 1, BaseDelay: time.Millisecond},
			}
		},
	})
}
