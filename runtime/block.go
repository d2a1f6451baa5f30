package runtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"reflect"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Block is a registry.Block that a [Runtime] can invoke. [Define] makes one.
type Block struct {
	manifest *schemas.Manifest
	execute  func(ctx context.Context, call *Call, source any) (any, error)
	accepts  func(source any) bool
	sourced  bool
	needs    string
}

// NoSource is the type of source for [Define] of a block that needs none.
type NoSource struct{}

// Executor is the function that does a block's work. See [Define].
type Executor[S any] = func(ctx context.Context, call *Call, source S) (any, error)

// Define makes a block from its manifest and the function that does its work. S is the type of
// source that the block can use, such as tracking.Source. The runtime passes the source that the
// invocation chose.
//
// The function gets an input that has been normalised and validated. It returns the output, which
// may be anything that encodes to a JSON object. It records what it did in call.Receipt, also when
// it fails. Its error should be an *[Error]; any other becomes an internal error. It must stop when
// ctx ends, be safe for concurrent use, and not keep call after it returns.
func Define[S any](manifest *schemas.Manifest, execute Executor[S]) *Block {
	_, none := any(*new(S)).(NoSource)
	return &Block{
		manifest: manifest,
		execute: func(ctx context.Context, call *Call, source any) (any, error) {
			typed, _ := as[S](source)
			return execute(ctx, call, typed)
		},
		accepts: func(source any) bool { _, ok := as[S](source); return ok },
		sourced: !none,
		needs:   reflect.TypeFor[S]().String(),
	}
}

// DefineTyped is [Define] for an executor that takes and returns Go values, mostly structs with
// json tags. encoding/json decodes the validated input into In; a number that goes into an any
// becomes a json.Number and keeps its digits. The output schema judges what Out encodes to.
func DefineTyped[In, Out, S any](
	manifest *schemas.Manifest, execute func(ctx context.Context, call *Call, input In, source S) (Out, error),
) *Block {
	return Define(manifest, func(ctx context.Context, call *Call, source S) (any, error) {
		var input In
		decoder := json.NewDecoder(bytes.NewReader(call.Input.JSON()))
		decoder.UseNumber()
		if err := decoder.Decode(&input); err != nil {
			message := "cannot decode an input that its schema allows: " + err.Error()
			return nil, &Error{Code: Internal, Message: message, Err: err}
		}
		return execute(ctx, call, input, source)
	})
}

// Register loads the manifests in files and registers a block for each. If it returns an error, it
// has registered none. The keys of executors are the ids of the manifests. The key for an older
// major version is an id with the version, such as board_post@1.
func Register[S any](reg *registry.Registry, files fs.FS, executors map[string]Executor[S]) error {
	manifests, err := schemas.Load(files)
	if err != nil {
		return fmt.Errorf("register blocks: %w", err)
	}
	var list []registry.Block
	defined := map[string]bool{}
	for _, m := range manifests {
		name := m.Ref()
		if executors[name] == nil && !defined[m.ID] {
			name = m.ID
		}
		if executors[name] == nil {
			return fmt.Errorf("register blocks: the manifest of %s has no executor: give one under this name", m.Ref())
		}
		defined[m.ID], defined[name] = true, true
		list = append(list, Define(m, executors[name]))
	}
	for name := range executors {
		if !defined[name] {
			return fmt.Errorf("register blocks: an executor has no manifest: %q", name)
		}
	}
	return reg.Register(list...)
}

// as returns a source as the type that a block needs. The source may also be a pointer to that
// type.
func as[S any](source any) (S, bool) {
	if pointer, ok := source.(*S); ok && pointer != nil {
		return *pointer, true
	}
	typed, ok := source.(S)
	return typed, ok
}

// Manifest returns what the block declares.
func (b *Block) Manifest() *schemas.Manifest { return b.manifest }

// Call is one invocation, as an executor sees it.
type Call struct {
	// Manifest is what the block declares.
	Manifest *schemas.Manifest
	// InvocationID identifies the invocation. It comes from the host, or is random. The same id
	// means the same invocation again, so derive from it whatever makes a repeat harmless.
	InvocationID string
	// Time is when the reported event happened, if the input does not say. See [At].
	Time time.Time
	// Input holds the parameters that are present, normalised and valid.
	Input rawjson.Object
	// HTTP is the client that [Call.Send] uses. It is for requests that Send does not fit. All
	// invocations share it, so do not change its settings.
	HTTP *resty.Client
	// DryRun says that HTTP only records requests, and answers each with 200 and {}.
	DryRun bool
	// Receipt is for the executor to fill in. The runtime itself sets the block, the source, the
	// times and the invocation id.
	Receipt *Receipt

	shared   *sync.Map
	redactor redactor
	lists    map[string][]rawjson.Object // lists in the input that have been opened on the way
}

// Objects returns the objects of a list in the input, such as the messages of a batch. An element
// that is not an object is nil. Without such a list, the result is empty. Do not change the
// objects. The call does not keep them, so their memory is free once the executor drops them.
func (c *Call) Objects(name string) []rawjson.Object {
	if list, ok := c.lists[name]; ok {
		delete(c.lists, name)
		return list
	}
	elements := c.Input.Array(name)
	list := make([]rawjson.Object, len(elements))
	for i, e := range elements {
		list[i] = rawjson.OpenObject(e)
	}
	return list
}

// MessageID returns an id, of 32 hexadecimal digits, for a message that the call sends. The
// receiver can recognise a repeat by it: it is the same for the same block, invocation, endpoint
// and number, and differs for any other.
func (c *Call) MessageID(endpoint string, number int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", c.Receipt.Block, c.InvocationID, endpoint, number))
	return hex.EncodeToString(sum[:16])
}

// Once returns the T that all calls of a runtime share, such as a vendor's API client with its
// connection state. The first call builds it. Calls that begin together may each build one, and
// only one is kept, so build must have no side effects. A dry run has a T of its own.
func Once[T any](call *Call, build func(*resty.Client) T) T {
	key := (*T)(nil)
	value, ok := call.shared.Load(key)
	if !ok {
		value, _ = call.shared.LoadOrStore(key, build(call.HTTP))
	}
	return value.(T)
}
