package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// A run whose messages were refused ends as a rejection, and as a partial failure where others
// were accepted.
func TestRefusalOfStoredMessages(t *testing.T) {
	require.NoError(t, (&outcome{accepted: 1, waiting: 1}).refusal())
	dead := []delivery.StoredMessage{{MessageID: "a", Reason: "no good"}}
	err := (&outcome{dead: dead, waiting: 1}).refusal()
	require.EqualError(t, err,
		"the receiver refused 1 of 2 messages, kept as a dead letter (segment-blocks queue list); a: no good")
	require.Equal(t, console.ExitRejected, console.ExitCodeOf(err))
	err = (&outcome{dead: append(dead, dead[0], dead[0], dead[0]), accepted: 2}).refusal()
	require.ErrorContains(t, err, "refused 4 of 6 messages")
	require.ErrorContains(t, err, "; and 1 more")
	require.Equal(t, console.ExitPartial, console.ExitCodeOf(err))
}
