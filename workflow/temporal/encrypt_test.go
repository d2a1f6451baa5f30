package temporal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/aacflow/segment-blocks/workflow/temporal"
)

func TestEncrypt(t *testing.T) {
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	with := func(keys ...[]byte) converter.DataConverter {
		var options client.Options
		require.NoError(t, temporal.Encrypt(&options, keys...))
		return options.DataConverter
	}
	const plain = "a text that nobody else may read"
	var got string

	payload, err := with(first).ToPayload(plain)
	require.NoError(t, err)
	stored, err := proto.Marshal(payload)
	require.NoError(t, err)
	require.NotContains(t, string(stored), plain)
	require.NotContains(t, string(stored), "json/plain")
	again, err := with(first).ToPayload(plain)
	require.NoError(t, err)
	require.NotEqual(t, payload.Data, again.Data, "each payload has a nonce of its own")

	require.NoError(t, with(second, first).FromPayload(payload, &got), "an older key decrypts")
	require.Equal(t, plain, got)
	require.ErrorContains(t, with(second).FromPayload(payload, &got), "no encryption key has this id")
	changed := proto.CloneOf(payload)
	changed.Data[20] ^= 1
	require.ErrorContains(t, with(first).FromPayload(changed, &got), "decrypt a payload with the key")

	open, err := converter.GetDefaultDataConverter().ToPayload("from before")
	require.NoError(t, err)
	require.NoError(t, with(first).FromPayload(open, &got))
	require.Equal(t, "from before", got)
	require.Error(t, with(first).FromPayload(&common.Payload{
		Metadata: map[string][]byte{"encoding": []byte("binary/encrypted")}, Data: []byte("short"),
	}, &got))

	require.ErrorContains(t, temporal.Encrypt(&client.Options{}), "takes a key of 32 bytes")
	require.ErrorContains(t, temporal.Encrypt(&client.Options{}, first, []byte("short")), "number 2 has 5")
}
