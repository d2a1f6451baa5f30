package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
)

const killed = `
name: killed
start: {userId: u-42, count: 600}
nodes:
  who: {block: segment_identify, with: {userId: <start.userId>, traits: {plan: pro}}}
  each:
    block: segment_track
    needs: [who]
    forEach: <start.count>
    concurrency: 4
    with: {userId: <start.userId>, event: Item Bought, properties: {i: <loop.index>}}
  batch:
    block: segment_batch
    needs: [who]
    forEach: 50
    with: {batch: [{type: track, userId: u, event: One, properties: {i: <loop.index>}}, {type: page, userId: u}]}
  last: {block: segment_group, needs: [each, batch], with: {userId: <start.userId>, groupId: buyers}}
`

// runInChild is the process that is killed: it runs the graph in a file until it is done.
func runInChild() {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	data, err := os.ReadFile(os.Getenv("WORKFLOW_FILE"))
	fail(err)
	rt, err := runtime.New(registered(), runtime.WithConventions(workflow.Conventions()),
		runtime.Source("test", tracking.Source{WriteKey: testKey, Endpoint: os.Getenv("WORKFLOW_ENDPOINT")}))
	fail(err)
	g, err := workflow.Parse("killed.yaml", data)
	fail(err)
	j, err := workflow.OpenJournal(filepath.Dir(os.Getenv("WORKFLOW_FILE")), "R", workflow.JournalOptions{})
	fail(err)
	res, err := workflow.Run(ctx, g, nil, workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
	fail(err)
	if res.Status != workflow.Succeeded {
		raw, _ := json.Marshal(res)
		fail(errors.New(string(raw)))
	}
	fail(j.Close())
}

// However often the process is killed, each message arrives, counts once, and is the same whenever
// it is repeated. KILLS sets how often.
func TestKills(t *testing.T) {
	kills := 50
	if set := os.Getenv("KILLS"); set != "" {
		var err error
		kills, err = strconv.Atoi(set)
		require.NoError(t, err)
	} else if testing.Short() {
		kills = 5
	}
	segment := newReceiver(t)
	arrived := make(chan struct{}, 10_000)
	segment.before = func(string) { arrived <- struct{}{} }
	file := filepath.Join(t.TempDir(), "killed.yaml")
	require.NoError(t, os.WriteFile(file, []byte(killed), 0o600))
	done := 0
	for ; done < kills; done++ {
		if !runAndKill(t, file, segment.url, arrived, 1+rand.IntN(600/kills+1)) {
			break
		}
	}
	require.Equal(t, kills, done, "the run ended before it was killed often enough")
	for runAndKill(t, file, segment.url, arrived, 1<<30) {
		t.Fatal("nobody kills it")
	}

	const messages = 1 + 600 + 2*50 + 1
	events := segment.Events(emulator.Filter{Limit: 2 * messages})
	require.Len(t, events, messages)
	counted := map[string]int{}
	for _, e := range events {
		counted[e.MessageID]++
	}
	require.Len(t, counted, messages)
	requireSameRepeats(t, segment.requests())
	t.Logf("%d kills, %d requests, %d messages stored, %d repeats recognised", done,
		len(segment.requests()), len(events),
		segment.Stats().Duplicates)
}

// runAndKill runs the child until some more requests have come, and reports whether it killed it.
func runAndKill(t *testing.T, file, url string, arrived <-chan struct{}, requests int) bool {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WORKFLOW_FILE="+file, "WORKFLOW_ENDPOINT="+url)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := make(chan string, 1)
	go func() {
		said, _ := io.ReadAll(stderr)
		ended <- string(said)
	}()
	for ; requests > 0; requests-- {
		select {
		case <-arrived:
		case said := <-ended:
			require.NoError(t, cmd.Wait(), said)
			return false
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			t.Fatal("nothing happens")
		}
	}
	require.NoError(t, cmd.Process.Kill())
	<-ended
	_ = cmd.Wait()
	return true
}

// requireSameRepeats demands that requests with the same message are the same but for sentAt.
func requireSameRepeats(t *testing.T, requests []string) {
	type message struct {
		MessageID, Timestamp, Event string
		Properties                  any
	}
	seen := map[string]message{}
	for _, body := range requests {
		var call struct {
			message
			Batch []message
		}
		require.NoError(t, json.Unmarshal([]byte(body), &call))
		for _, m := range append(call.Batch, call.message) {
			if m.MessageID == "" {
				continue
			}
			if first, again := seen[m.MessageID]; again {
				require.Equal(t, first, m)
			}
			seen[m.MessageID] = m
		}
	}
}
