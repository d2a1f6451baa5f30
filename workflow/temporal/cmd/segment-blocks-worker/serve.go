package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	sdk "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/sources"
	"github.com/aacflow/segment-blocks/observe/traces"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
	"github.com/aacflow/segment-blocks/workflow/temporal"
)

type serveFlags struct {
	config, version    string
	metrics, imports   string
	sources, variables []string
	rate               float64
}

func newServe(to *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Work for Temporal until stopped", Args: cobra.NoArgs}
	var f serveFlags
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration file (default: as segment-blocks)")
	flags.StringSliceVar(&f.sources, "source", nil, "sources, the default one first (default: all)")
	flags.StringSliceVar(&f.variables, "env", nil, "variables that workflows may use as {{NAME}}")
	flags.Float64Var(&f.rate, "rate", 0, "most invocations a second, by all workers")
	flags.StringVar(&f.imports, "imports", "", "folder of files to import, which all workers see")
	flags.StringVar(&f.version, "worker-version", "", "serve only runs of this version of the worker")
	flags.StringVar(&f.metrics, "metrics", "", "address to serve /metrics and /healthz on")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), *to, f) }
	return cmd
}

func serve(ctx context.Context, to connection, f serveFlags) error {
	logger := slog.New(traces.LogHandler(slog.NewTextHandler(os.Stderr, nil)))
	options, err := to.options(logger)
	if err != nil {
		return err
	}
	reg := registry.New()
	if err := blocks.Register(reg); err != nil {
		return err
	}
	t, err := startTelemetry(ctx, reg, &options, logger)
	if err != nil {
		return err
	}
	w, err := newWork(reg, f, logger, t.options)
	if err != nil {
		return err
	}
	if f.metrics != "" {
		err = t.listen(ctx, f.metrics, logger)
	}
	if err == nil {
		err = w.do(ctx, to.queue, options, logger)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err = errors.Join(err, w.close(closing), t.close(closing)); err != nil {
		return failed{err}
	}
	return nil
}

// work is what a worker does. The write keys stay in it.
type work struct {
	flags   serveFlags
	runtime *runtime.Runtime
	imports *imports
}

func newWork(reg *registry.Registry, f serveFlags, logger *slog.Logger, options []runtime.Option) (*work, error) {
	if f.rate < 0 {
		return nil, fmt.Errorf("--rate must be 0, or invocations a second: %v", f.rate)
	}
	found, warnings, err := sources.Load(f.config, os.Environ(), f.sources)
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		logger.Warn(warning)
	}
	options = append(options, runtime.Logger(logger))
	w, ofImports := &work{flags: f}, slices.Clone(options)
	options = append(options, runtime.WithConventions(workflow.Conventions()))
	for _, source := range found {
		options = append(options, runtime.Source(source.Name, source.Source))
		source.InFlight = 1 // an import sets its own concurrency
		ofImports = append(ofImports, runtime.Source(source.Name, source.Source))
	}
	// The states of imports name files. Workers that have the folder at different paths must agree
	// on the names, so they are relative to it.
	if f.imports != "" && os.Chdir(f.imports) != nil {
		return nil, fmt.Errorf("--imports must be a folder that exists: %q", f.imports)
	}
	if w.runtime, err = runtime.New(reg, options...); err != nil {
		return nil, err
	}
	w.imports = &imports{allowed: f.imports != "", sources: found}
	w.imports.runtime, err = runtime.New(reg, ofImports...)
	return w, err
}

func (w *work) close(ctx context.Context) error {
	return errors.Join(w.runtime.Close(ctx), w.imports.runtime.Close(ctx))
}

// do runs the tasks that Temporal gives to the worker until ctx ends.
func (w *work) do(ctx context.Context, queue string, to client.Options, logger *slog.Logger) error {
	server, err := dial(ctx, to)
	if err != nil {
		return err
	}
	defer server.Close()

	options := temporal.WorkerOptions()
	options.TaskQueueActivitiesPerSecond = w.flags.rate
	if w.flags.version != "" {
		options.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning:             true,
			Version:                   worker.WorkerDeploymentVersion{DeploymentName: queue, BuildID: w.flags.version},
			DefaultVersioningBehavior: sdk.VersioningBehaviorPinned,
		}
	}
	serving := worker.New(server, queue, options)
	temporal.Register(serving, w.runtime, func(name string) (string, bool) {
		value := os.Getenv(name)
		return value, value != "" && slices.Contains(w.flags.variables, name)
	})
	w.imports.register(serving)
	if err := serving.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	logger.Info("the worker is ready", "taskQueue", queue)
	<-ctx.Done()
	serving.Stop()
	return nil
}
