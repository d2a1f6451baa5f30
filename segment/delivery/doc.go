// Package delivery has two more ways for the messages of a source to be sent,
// beside sending them directly. The blocks, their inputs and their outputs are
// the same for all three, but success means something else:
//
//	direct      tracking.Source itself    Each call is sent at once. Success means
//	                                      that the receiver has accepted its messages.
//	coalesced   [Coalesce]                Calls that come together share requests.
//	                                      Success means the same.
//	durable     [Open], [Store.Source]    Success means that the messages are on this
//	                                      machine's disk. They are sent in the
//	                                      background, for days if need be.
//
// A runtime takes the latter two in place of a tracking.Source. Close them
// after the runtime:
//
//	prod, closeProd := delivery.Coalesce(source, delivery.CoalesceOptions{})
//	rt, err := runtime.New(reg, runtime.Source("prod", prod))
//	…
//	err = errors.Join(rt.Close(ctx), closeProd(ctx))
//
// All three send the messages of a person in the order of the calls: no message
// overtakes an earlier one that has the same userId, anonymousId or previousId.
// Calls that are in progress at the same time have no order among them.
package delivery

// Values of Report.Delivery for messages that this package has sent or stored,
// beside tracking.Direct.
const (
	Coalesced = "coalesced"
	Durable   = "durable"
)
