package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/observe/metrics"
	"github.com/aacflow/segment-blocks/registry"
)

func TestQueues(t *testing.T) {
	m := metrics.New(registry.New())
	m.Queues(func() []metrics.Queue {
		return []metrics.Queue{
			{Source: "empty"},
			{Source: "prod", Waiting: 7, InFlight: 3, Dead: 2, Delivered: 90, Oldest: time.Now().Add(-time.Hour)},
		}
	})
	for _, line := range []string{
		`segment_blocks_queue_waiting_messages{source="prod"} 7`,
		`segment_blocks_queue_in_flight_messages{source="prod"} 3`,
		`segment_blocks_queue_dead_messages{source="prod"} 2`,
		`segment_blocks_queue_delivered_messages_total{source="prod"} 90`,
		`segment_blocks_queue_oldest_seconds{source="empty"} 0`,
		`segment_blocks_queue_oldest_seconds{source="prod"} 3600`,
	} {
		require.True(t, contains(t, m, line), line)
	}
}
