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

// events answers an invocation with server-sent events: one of type attempt for each HTTP attempt
// when it ends, and at last one of type result or problem. What fails before the first attempt gets
// the plain answer, with its status.
type events struct {
	w        http.ResponseWriter
	begun    bool
	attempts chan runtime.Attempt
	end      func() // waits until all attempts are written
}

func newEvents(w http.ResponseWriter) *events {
	// There is room for all attempts that the runtime tells of, so a client that reads slowly holds
	// up none of them.
	e := &events{w: w, attempts: make(chan runtime.Attempt, 50)}
	written := make(chan struct{})
	go func() {
		defer close(written)
		e.follow()
	}()
	e.end = sync.OnceFunc(func() {
		close(e.attempts)
		<-written
	})
	return e
}

func (e *events) attempt(a runtime.Attempt) { e.attempts <- a }

func (e *events) follow() {
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
			e.write(": alive\n\n")
		}
	}
}

func (e *events) succeed(_ http.ResponseWriter, result *runtime.Result, attempts []runtime.Attempt) {
	e.end()
	e.event("result", resultDoc(result, attempts))
}

func (e *events) fail(_ http.ResponseWriter, r *http.Request, p *Problem) {
	e.end()
	if !e.begun {
		p.Write(e.w, r)
		return
	}
	p.Fill(r)
	e.event("problem", encode(p))
}

// event writes a document in one line: the line breaks in JSON are only space.
func (e *events) event(kind string, doc []byte) {
	line := strings.NewReplacer("\n", "", "\r", "").Replace(string(doc))
	e.write(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, line))
}

// write fails only if the client has left, which ends the invocation too.
func (e *events) write(text string) {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", typeEvents)
		e.w.Header().Set("Cache-Control", "no-store")
	}
	if _, err := e.w.Write([]byte(text)); err == nil {
		_ = http.NewResponseController(e.w).Flush()
	}
}
