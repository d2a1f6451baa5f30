// Package delivery has ways for a source's messages to leave, to choose from for each source. Whichever it is, the blocks, their inputs and
// their outputs are the same; what success means is not:
//
//	direct      tracking.Source itself    sent at once, one request a call; success: the receiver has accepted the messages
//	coalesced   [Coalesce]                calls that come together share requests; success: the receiver has accepted the messages
//	durable     [Open], [Store.Source]    success: the messages are on this machine's disk, and are sent in the background for days
//
// The latter two are given to a runtime in the place of a tracking.Source, and closed after it:
//
//	prod := delivery.Coalesce(source, delivery.CoalesceOptions{})
//	rt, err := runtime.New(reg, runtime.Source("prod", prod))
//	…
//	err = errors.Join(rt.Close(ctx), prod.Close(ctx))
//
// Whichever it is, messages of one person are sent in the order in which the calls were made: no message overtakes an earlier one that
// shares a userId, anonymousId or previousId with it. Two calls under way at the same time have no order among them.
package delivery

// What Report.Delivery says of what has been sent or stored by this package; tracking.Direct is the third.
const (
	Coalesced = "coalesced"
	Durable   = "durable"
)
