package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// events answers an invocation with server-sent events.
type events struct {
	w        http.ResponseWriter
	begun    bool
	attempts chan runtime.Attempt
}

// follow invokes, and answers with an event of type attempt for each HTTP attempt when it ends, and
// at last one of type result or problem. It returns what fails before the first attempt: that gets
// the plain answer, with its status.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, q request) *Problem {
	// There is room for all attempts that the runtime tells of, so a client that reads slowly holds
	// up none of them.
	e := &events{w: w, attempts: make(chan runtime.Attempt, 50)}
	var writing sync.WaitGroup
	writing.Go(e.write)
	result, attempts, p := h.run(r, q, runtime.OnAttempt(func(a runtime.Attempt) { e.attempts <- a }))
	close(e.attempts)
	writing.Wait()
	switch {
	case p == nil:
		e.event("result", resultDoc(result, attempts))
	case !e.begun:
		return p
	default:
		p.Fill(r)
		e.event("problem", encode(p))
	}
	return nil
}

// write writes attempts until there are no more.
func (e *events) write() {
	alive := time.NewTicker(guard.StreamHeartbeat)
	defer alive.Stop()
	for {
		select {
		case a, more := <-e.attempts:
			if !more {
				return
			}
			e.event("attempt", encode(a))
		case <-alive.C:
			e.send(": alive\n\n")
		}
	}
}

// event sends a document in one line: the line breaks in JSON are only space.
func (e *events) event(kind string, doc []byte) {
	line := strings.NewReplacer("\n", "", "\r", "").Replace(string(doc))
	e.send(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, line))
}

// send fails only if the client has left, which ends the invocation too.
func (e *events) send(text string) {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", typeEvents)
		e.w.Header().Set("Cache-Control", "no-store")
	}
	if _, err := e.w.Write([]byte(text)); err == nil {
		_ = http.NewResponseController(e.w).Flush()
	}
}
