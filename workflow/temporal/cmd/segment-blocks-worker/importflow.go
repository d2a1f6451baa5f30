package main

import (
	"time"

	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

// importWorkflow is the type of the workflow that imports a file.
const importWorkflow = "segment_blocks_import"

// maxParts bounds the history of that workflow.
const maxParts = 2000

// importRequest is the argument of the workflow that imports a file.
type importRequest struct {
	// File is the path of the file in the workers' folder.
	File   string `json:"file"`
	Source string `json:"source,omitempty"`
	// PartBytes is the size of a part, and AtOnce is how many parts are imported at once.
	PartBytes int64 `json:"partBytes"`
	AtOnce    int   `json:"atOnce"`
	// Rate is the most events per second of all parts together, 0 for no limit.
	Rate float64 `json:"rate,omitempty"`
}

// importProgress is the progress of an import, and finally its result. The counts include only
// parts that are done.
type importProgress struct {
	Parts int `json:"parts"`
	Done  int `json:"done"`
	importer.Counts
}

// importFile divides a file and imports its parts. The first error ends the other parts. Their
// states are kept, so another import of the same file continues.
func importFile(ctx workflow.Context, req importRequest) (importProgress, error) {
	var progress importProgress
	answer := func() (importProgress, error) { return progress, nil }
	err := workflow.SetQueryHandler(ctx, temporal.ProgressQuery, answer)
	if err != nil {
		return progress, err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		// Segment recognizes a repeated message for 24 hours.
		ScheduleToCloseTimeout: 23 * time.Hour,
		HeartbeatTimeout:       30 * time.Second,
		WaitForCancellation:    true,
		RetryPolicy:            &sdk.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute},
	})
	var parts []importer.Part
	if err := workflow.ExecuteActivity(ctx, splitActivity, req).Get(ctx, &parts); err != nil {
		return progress, err
	}
	progress.Parts = len(parts)
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	places := workflow.NewSemaphore(ctx, int64(max(1, req.AtOnce)))
	all := workflow.NewWaitGroup(ctx)
	var first error
	for i, part := range parts {
		if places.Acquire(ctx, 1) != nil {
			break // canceled
		}
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			defer places.Release(1)
			var counts importer.Counts
			one := partRequest{importRequest: req, Number: i, Part: part}
			one.Rate = req.Rate / float64(max(1, min(req.AtOnce, len(parts))))
			if err := workflow.ExecuteActivity(ctx, partActivity, one).Get(ctx, &counts); err != nil {
				if first == nil {
					first = err
				}
				cancel()
				return
			}
			progress.add(counts)
		})
	}
	// A canceled context does not wait, but parts that end still write their states.
	waiting, _ := workflow.NewDisconnectedContext(ctx)
	all.Wait(waiting)
	if first == nil {
		first = ctx.Err()
	}
	return progress, first
}

func (p *importProgress) add(c importer.Counts) {
	p.Done++
	p.Events += c.Events
	p.Accepted += c.Accepted
	p.Rejected += c.Rejected
	p.Repeated += c.Repeated
	p.Duplicates += c.Duplicates
	p.Requests += c.Requests
	p.Attempts += c.Attempts
	p.Bytes += c.Bytes
	p.Seconds += c.Seconds
}
