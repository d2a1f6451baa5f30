package rest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInvocationIDsDoNotMeet: no two of block, source and key join into the same.
func TestInvocationIDsDoNotMeet(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range [][3]string{
		{"a", "b", "c"},
		{"a", "", "b/c"},
		{"a", "b/c", "d"},
		{"a", "b", "c/d"},
		{"a", "b%2Fc", "d"},
		{"a", "", "c"},
		{"a", "c", ""},
		{"x", "b", "c"},
	} {
		id := invocationID(c[0], c[1], c[2])
		require.False(t, seen[id], id)
		seen[id] = true
	}
}
