// Package tracking speaks Segment's Tracking API: it checks messages, writes them as they go over the wire, splits
// batches, delivers them, retries what is worth retrying, and reports what became of each.
//
//	fields, err := rawjson.ParseObject([]byte(`{"userId": "u-42", "event": "Order Completed"}`), rawjson.DefaultLimits())
//	client := tracking.NewClient(nil)
//	report, err := client.Send(ctx, tracking.Source{WriteKey: key, Region: tracking.EU},
//		tracking.NewMessage(tracking.Track, fields), tracking.SendOptions{InvocationID: "run-7/node-3"})
//	// report.Messages[0].Status is tracking.Accepted
//
// Segment answers 200 to almost anything and drops what it does not like later, without a word. So everything that
// is known to be dropped is refused here before a byte is sent, all problems of all messages at once, under the codes
// that Segment itself uses where it has one. A 2xx confirms receipt, not delivery to a destination, hence the word
// "accepted".
//
// Every message gets its messageId before the first attempt and keeps it in every retry. Segment drops a messageId
// that it has seen in the last 24 hours, so calling again with the same invocation id does not double an event.
package tracking
