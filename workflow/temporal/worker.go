// Package temporal runs blocks, and workflows of blocks, on Temporal.
//
//	w := worker.New(client, "segment-blocks", temporal.WorkerOptions())
//	temporal.Register(w, rt, nil)
//	err := w.Run(worker.InterruptCh())
//
// Then every block is an activity for workflows in any language. Its type is the block's id, its
// arguments are the block's input and, optionally, a [Call], and its result has output and receipt.
// An error is an application error whose type is a code of package runtime.
//
// [Graph] is the workflow that runs a file of package workflow, with the same scheduler as in one
// process.
package temporal

import (
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	sdk "go.temporal.io/sdk/workflow"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
)

// WorkflowType is the name of the workflow type that runs workflow files.
const WorkflowType = "segment_blocks_graph"

// ProgressQuery is the query that a [Graph] answers with a [Progress].
const ProgressQuery = "progress"

// WorkerOptions returns the options that a worker should have. Change them as you need.
func WorkerOptions() worker.Options {
	return worker.Options{
		// After a worker dies, its workflows continue on another worker after this time.
		StickyScheduleToStartTimeout: time.Second,
		MaxHeartbeatThrottleInterval: heartbeatEvery,
		// When the worker is stopped, invocations have some time to end. Another worker takes the
		// rest.
		WorkerStopTimeout: graceAtStop + 5*time.Second,
		// Reading a workflow file of a megabyte takes longer than the default of one second.
		DeadlockDetectionTimeout: 10 * time.Second,
	}
}

// Register makes a worker run all blocks of a runtime, and [Graph]. The runtime should have
// workflow.Conventions, because references have been resolved by then. Environment returns the
// variables that workflow files may use; it may be nil. The runtime must stay open until the worker
// has stopped.
func Register(w worker.Registry, rt *runtime.Runtime, environment workflow.Environment) {
	RegisterBlocks(w, rt, environment)
	w.RegisterWorkflowWithOptions(Graph, sdk.RegisterOptions{Name: WorkflowType})
}

// RegisterBlocks is Register without [Graph], for a worker that runs only your own workflows.
func RegisterBlocks(w worker.ActivityRegistry, rt *runtime.Runtime, environment workflow.Environment) {
	b := &blocks{rt, environment}
	w.RegisterDynamicActivity(b.run, activity.DynamicRegisterOptions{})
}
