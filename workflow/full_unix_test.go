//go:build unix

package workflow_test

import (
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/workflow"
)

// A journal that did not fit onto the disk when it was new can be opened once there is room.
func TestJournalOnFullDisk(t *testing.T) {
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	signal.Ignore(syscall.SIGXFSZ) // so that writing more is an error, as on a full disk
	defer signal.Reset(syscall.SIGXFSZ)
	folder := t.TempDir()
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 12 << 10, Max: before.Max}))
	_, err := workflow.OpenJournal(folder, "R", workflow.JournalOptions{})
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	require.ErrorContains(t, err, "R.db")
	require.NoError(t, journal(t, folder, "R", workflow.JournalOptions{}).Close())
}
