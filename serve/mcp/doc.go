// Package mcp offers the blocks of a registry as tools of the Model Context Protocol, over
// streamable HTTP and over stdio.
//
//	server, err := mcp.New(rt, reg, mcp.Config{Sources: []string{"prod", "staging"}})
//	if err != nil { … }
//	mux.Handle("/mcp", server)
//	mux.Handle("/mcp/", server)
//
// # Addresses
//
//	/mcp                      the default source, the default profile
//	/mcp/{source}             a source of the runtime that [Sources] names
//	/mcp/{source}/{profile}   the same in another profile; the source - is the default one
//
// A profile can also be chosen by ?profile=, for clients that keep the query. AACFlow and Sim leave
// it out where they tell servers apart, so give them a path. Each source has a path of its own for
// the same reason: they refuse the same URL a second time, whatever its headers.
//
// # Tools
//
// A tool is named by the id of its block. Its schemas come from the block's manifest, see
// [Profile]. A result carries the output as structuredContent, and as text for clients that read
// only that. A failure is a result with isError: its first text is one line fit to be all that a
// person sees, its second the error as JSON. Either has the receipt of the invocation in its _meta
// as [MetaReceipt].
//
// The credential of a block is never among the inputs of its tool, unless [CredentialInput] says
// so: it is the source's, or that of the request header [Header]. A model that gives one anyway is
// refused.
//
// A client that wants to be able to repeat a call without counting anything twice gives the call an
// id of its own in the request's _meta, as [MetaInvocationID]. An id that comes again with another
// input is refused, for as long as this process remembers it: the receiver would drop that input as
// a duplicate.
//
// # HTTP
//
// No session is needed and none is kept: each POST stands alone and is answered with plain JSON,
// GET and DELETE with 405. initialize hands out a session id nevertheless. It is never asked for; a
// client that sends it back can cancel its calls by it. That a client goes away does not cancel its
// call before protocol 2026-07-28, as the specification has it
// (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports): the call runs on,
// bounded by the runtime's retries.
//
// A message may have 64 KiB beside the arguments of a tool.
//
// A status of 4xx says that no tool was called.
//
// # Batches
//
// Over HTTP a request is one message, and over stdio a line is one. JSON-RPC batches are refused at
// every protocol version, as newer ones demand.
package mcp
