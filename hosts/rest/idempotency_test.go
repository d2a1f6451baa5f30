package rest

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeyMemoryIsBounded(t *testing.T) {
	m := newKeyMemory()
	use := func(key, input string) request {
		return request{block: "b", key: idempotencyKey(key), envelope: envelope{input: []byte(input)}}
	}
	first, ok := m.claim(use("first", "1"))
	require.True(t, ok)
	_, ok = m.claim(use("first", "2"))
	require.False(t, ok, "another input")
	for i := range mostKeys + 10 {
		u, ok := m.claim(use(strconv.Itoa(i), "1"))
		require.True(t, ok)
		u.done(true)
	}
	require.Len(t, m.uses, mostKeys)
	require.Equal(t, mostKeys, m.recent.Len())
	again, ok := m.claim(use("first", "2"))
	require.True(t, ok, "forgotten by now")
	first.done(false)
	require.Len(t, m.uses, mostKeys, "the end of the old use does not touch the new one")
	again.done(false)
	require.Len(t, m.uses, mostKeys-1)
	require.Equal(t, mostKeys-1, m.recent.Len())
}

// TestInvocationIDsDoNotMeet: no two of block, source and key join into the same.
func TestInvocationIDsDoNotMeet(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range [][3]string{
		{"a", "b", "c"}, {"a", "", "b/c"}, {"a", "b/c", "d"}, {"a", "b", "c/d"}, {"a", "b%2Fc", "d"}, {"a", "", "c"}, {"a", "c", ""}, {"x", "b", "c"},
	} {
		id := idempotencyKey(c[2]).invocationID(c[0], c[1])
		require.False(t, seen[id], id)
		seen[id] = true
	}
}
