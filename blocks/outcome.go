package blocks

import (
	"errors"
	"strconv"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// record writes what the API client did into the receipt. Under is where in the input the messages
// stand: "" for the block whose input is the message itself.
func record(receipt *runtime.Receipt, report tracking.Report, under string) {
	receipt.Delivery, receipt.Endpoint = report.Delivery, report.Endpoint
	receipt.Requests, receipt.Attempts, receipt.Bytes = report.Requests, report.Attempts, int64(report.Bytes)
	receipt.Accepted, receipt.Stored = report.Accepted, report.Stored
	receipt.MessageIDs = make([]string, len(report.Messages))
	for i, m := range report.Messages {
		receipt.MessageIDs[i] = m.MessageID
	}
	for _, w := range report.Warnings {
		receipt.Warn(pathIn(under, w.Index, w.Path), w.Code, w.Message)
	}
}

// pathIn returns the JSON Pointer, in the input, of what stands at pointer in message number index.
func pathIn(under string, index int, pointer string) string {
	if under == "" || index < 0 {
		return pointer
	}
	return under + "/" + strconv.Itoa(index) + pointer
}

// failure says in the runtime's words what went wrong.
func failure(err error, report tracking.Report, under string) error {
	cause, ok := errors.AsType[*tracking.Error](err)
	if !ok {
		return err
	}
	if len(cause.Problems) > 0 {
		var violations []schemas.Violation
		for _, p := range cause.Problems {
			p.Path = pathIn(under, p.Index, p.Path)
			violations = append(violations, p.Violation)
		}
		refusal := runtime.Refuse(violations)
		refusal.Code = cause.Code
		return refusal
	}
	e := runtime.ErrorOf(err)
	e.Code, e.Message, e.Retryable = cause.Code, "failed: "+err.Error(), cause.Code.Retryable()
	if cause.Accepted > 0 {
		e.Code = runtime.PartialFailure
	}
	// What was not sent needs no outcome, and that of a single message is the error itself.
	if len(report.Messages) > 1 && report.Attempts > 0 {
		for i, m := range report.Messages {
			item := runtime.Item{Index: i, MessageID: m.MessageID, Status: runtime.ItemStatus(m.Status)}
			e.Items = append(e.Items, item)
		}
	}
	return e
}
