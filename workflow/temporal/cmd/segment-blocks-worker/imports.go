package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/activity"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/sources"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// The types of the activities of an import.
const (
	splitActivity = "segment_blocks_import_split"
	partActivity  = "segment_blocks_import_part"
)

// imports imports files from a folder that all workers share and have as their working directory.
// Beside a file events.ndjson, it keeps a folder events.ndjson.import with the parts and, for each
// part, the state and the rejects.
type imports struct {
	allowed bool // the worker has that folder
	sources []sources.Source
	runtime *runtime.Runtime
}

// partRequest is the argument of the activity that imports a part.
type partRequest struct {
	importRequest
	Number int           `json:"number"`
	Part   importer.Part `json:"part"`
	// Rate is the most events per second of this part, 0 for no limit.
	Rate float64 `json:"rate,omitempty"`
}

func (im *imports) register(w worker.Registry) {
	w.RegisterActivityWithOptions(im.split, activity.RegisterOptions{Name: splitActivity})
	w.RegisterActivityWithOptions(im.part, activity.RegisterOptions{Name: partActivity})
	w.RegisterWorkflowWithOptions(importFile, workflow.RegisterOptions{Name: importWorkflow})
}

// check refuses files outside of the folder: whoever starts an import may not have access to this
// machine.
func (im *imports) check(file string) error {
	if !im.allowed {
		return refused(errors.New("a worker of this task queue has no folder of imports: start all with --imports"))
	}
	if !filepath.IsLocal(file) {
		return refused(fmt.Errorf("the file must be in the workers' folder of imports: %q", file))
	}
	return nil
}

// split returns the parts of a file. It stores them, so that another import of the file continues
// with the same parts.
func (im *imports) split(ctx context.Context, req importRequest) ([]importer.Part, error) {
	file := req.File
	if err := im.check(file); err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, refused(fmt.Errorf("cannot read the events: %w", err))
	}
	var parts []importer.Part
	kept := filepath.Join(file+".import", "parts.json")
	data, err := os.ReadFile(kept)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &parts); err != nil || len(parts) == 0 || parts[len(parts)-1].To != info.Size() {
			return nil, refused(fmt.Errorf(
				"the file has changed since an import of it began; remove %s to import it anew: %q",
				filepath.Dir(kept), file))
		}
		return parts, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	size := max(req.PartBytes, info.Size()/maxParts+1)
	alive := func(read int64) { activity.RecordHeartbeat(ctx, read) }
	if parts, err = importer.Split(ctx, file, size, alive); err != nil {
		return nil, importFailure(ctx, err)
	}
	if data, err = json.Marshal(parts); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
		return nil, err
	}
	beside := fmt.Sprintf("%s.%s", kept, activity.GetInfo(ctx).WorkflowExecution.RunID)
	if err := os.WriteFile(beside, data, 0o600); err != nil {
		return nil, err
	}
	return parts, os.Rename(beside, kept)
}

// part imports a part of a file, or continues where another worker has stopped.
func (im *imports) part(ctx context.Context, req partRequest) (importer.Counts, error) {
	o, err := im.options(req)
	if err != nil {
		return importer.Counts{}, err
	}
	o.Progress = func(p importer.Progress) { activity.RecordHeartbeat(ctx, p.Counts) }
	job, err := importer.New(o)
	if err != nil {
		return importer.Counts{}, importFailure(ctx, err)
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			cancel(errStopped)
		case <-running.Done():
		}
	}()
	counts, err := job.Run(running)
	return counts, importFailure(running, err)
}

// errStopped is the error that ends an import when its worker is stopped.
var errStopped = errors.New("the worker was stopped")

// options makes a part a separate import, which resumes from the state beside the file.
func (im *imports) options(req partRequest) (importer.Options, error) {
	if err := im.check(req.File); err != nil {
		return importer.Options{}, err
	}
	var source *sources.Source
	for i, one := range im.sources {
		if one.Name == cmp.Or(req.Source, im.sources[0].Name) {
			source = &im.sources[i]
		}
	}
	if source == nil {
		return importer.Options{}, refused(fmt.Errorf("the worker has no source with this name: %q", req.Source))
	}
	endpoint, err := source.URL()
	if err != nil {
		return importer.Options{}, refused(err)
	}
	beside := filepath.Join(req.File+".import", fmt.Sprintf("%04d", req.Number))
	return importer.Options{
		Files: []string{req.File}, Part: &req.Part, Key: source.WriteKey, Source: source.Name, Endpoint: endpoint,
		StatePath: beside + ".json", RejectsPath: beside + ".rejects.ndjson", Resume: true,
		Rate: req.Rate, Grace: 5 * time.Second,
		Invoke: func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
			res, err := im.runtime.Invoke(ctx, "segment_batch", batch, runtime.ToSource(source.Name))
			if err != nil {
				return runtime.ErrorOf(err).Receipt, err
			}
			return res.Receipt, nil
		},
	}, nil
}

// refused is the error of an import that cannot succeed, no matter how often it is tried.
func refused(err error) error {
	return sdk.NewNonRetryableApplicationError(err.Error(), string(runtime.InvalidInput), nil)
}

// importFailure converts an error of an import into an error of Temporal. Temporary errors are
// tried again.
func importFailure(ctx context.Context, err error) error {
	var input *importer.InputError
	var panicked *importer.PanicError
	var delivery *importer.DeliveryError
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errStopped):
		return sdk.NewApplicationError(errStopped.Error(), "worker_stopped")
	case ctx.Err() != nil:
		return sdk.NewCanceledError()
	case errors.As(err, &input), errors.As(err, &panicked), errors.Is(err, importer.ErrCut):
		return refused(err)
	case errors.As(err, &delivery):
		e := runtime.ErrorOf(delivery.Err)
		return sdk.NewApplicationErrorWithOptions(err.Error(), string(e.Code), sdk.ApplicationErrorOptions{
			NonRetryable: !e.Retryable || delivery.Source, NextRetryDelay: e.RetryAfter,
		})
	}
	return err
}
