package idempotency

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
)

func TestMemoryIsBounded(t *testing.T) {
	m := New()
	succeed := func() (*runtime.Result, error) { return &runtime.Result{}, nil }
	refuse := func() (*runtime.Result, error) { return nil, &runtime.Error{Code: runtime.InvalidInput} }
	_, err := m.Do("first", "b", []byte("1"), func() (*runtime.Result, error) {
		_, err := m.Do("first", "b", []byte("2"), succeed)
		require.ErrorIs(t, err, ErrReused, "another input")
		_, err = m.Do("first", "c", []byte("1"), succeed)
		require.ErrorIs(t, err, ErrReused, "another block")
		for i := range most + 10 {
			_, err := m.Do(strconv.Itoa(i), "b", []byte("1"), succeed)
			require.NoError(t, err)
		}
		require.Equal(t, most, m.uses.Len())
		_, err = m.Do("first", "b", []byte("2"), succeed)
		require.NoError(t, err, "forgotten by now")
		return refuse()
	})
	require.Error(t, err)
	require.Equal(t, most, m.uses.Len(), "the end of the old use does not touch the new one")
	_, err = m.Do("last", "b", []byte("1"), refuse)
	require.Error(t, err)
	require.Equal(t, most-1, m.uses.Len(), "nothing was sent")
}
