package idempotency

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryIsBounded(t *testing.T) {
	m := New()
	first, ok := m.Claim("first", "b", []byte("1"))
	require.True(t, ok)
	_, ok = m.Claim("first", "b", []byte("2"))
	require.False(t, ok, "another input")
	_, ok = m.Claim("first", "c", []byte("1"))
	require.False(t, ok, "another block")
	for i := range most + 10 {
		u, ok := m.Claim(strconv.Itoa(i), "b", []byte("1"))
		require.True(t, ok)
		u.Done(true)
	}
	require.Equal(t, most, m.uses.Len())
	again, ok := m.Claim("first", "b", []byte("2"))
	require.True(t, ok, "forgotten by now")
	first.Done(false)
	require.Equal(t, most, m.uses.Len(), "the end of the old use does not touch the new one")
	again.Done(false)
	require.Equal(t, most-1, m.uses.Len())
}
