package mcp

import (
	"context"
	"net/http"
	"sync"
)

// lifeKey finds, among a context's values, the context whose end ends the invocation. The SDK hands
// a request's values on to tools, and keeps its cancellation back.
type lifeKey struct{}

// joinLife returns ctx, ended by the call's life as well. The function must be called once the call
// is over.
func joinLife(ctx context.Context) (context.Context, func()) {
	life, ok := ctx.Value(lifeKey{}).(context.Context)
	if !ok {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// calls are the calls under way over HTTP that their client can cancel: *context.CancelFunc by
// callID. Its zero value is ready.
type calls struct{ running sync.Map }

// callID is a session and the id of a JSON-RPC request, as written.
type callID struct{ session, request string }

// begin notes a call, and returns the context that ends when its client cancels it. That the client
// goes away does not end it. The function must be called once the call is over.
func (c *calls) begin(r *http.Request, request []byte) (context.Context, func()) {
	life, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	id, call := callID{r.Header.Get(sessionHeader), string(request)}, &cancel
	if id.session == "" || len(id.session) > longestSession {
		return life, cancel
	}
	c.running.Store(id, call)
	return life, func() {
		cancel()
		c.running.CompareAndDelete(id, call) // the client may have used the id once more
	}
}

// cancel ends a call, if it is under way.
func (c *calls) cancel(id callID) {
	if call, ok := c.running.Load(id); ok {
		(*call.(*context.CancelFunc))()
	}
}
