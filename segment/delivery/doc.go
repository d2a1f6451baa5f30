// Package delivery has ways for a source's messages to leave, to choose from
// for each source. Whichever it is, the blocks, their inputs and their outputs
// are the same; what success means is not:
//
//	direct      tracking.Source itself    Each call is sent at once. Success means
//	                                      that the receiver has accepted its messages.
//	coalesced   [Coalesce]                Calls that come together share requests.
//	                                      Success means the same.
//	durable     [Open], [Store.Source]    Success means that the messages are on this
//	                                      machine's disk. They are sent in the
//	                                      background, for days if need be.
//
// The latter two are given to a runtime in the place of a tracking.Source, and
// closed after it:
//
//	prod, closeProd := delivery.Coalesce(source, delivery.CoalesceOptions{})
//	rt, err := runtime.New(reg, runtime.Source("prod", prod))
//	…
//	err = errors.Join(rt.Close(ctx), closeProd(ctx))
//
// Whichever it is, messages of one person are sent in the order in which the
// calls were made: no message overtakes an earlier one that shares a userId,
// anonymousId or previousId with it. Two calls that are in progress at the same
// time have no order among them.
package delivery

// What Report.Delivery says of what has been sent or stored by this package;
// tracking.Direct is the third.
const (
	Coalesced = "coalesced"
	Durable   = "durable"
)
