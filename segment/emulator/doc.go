// Package emulator is a local server that speaks Segment's Tracking API, for
// development and for tests: point a client at it and see what it really sent,
// what Segment would have dropped, and how the client behaves when the server
// does not.
//
//	srv, err := emulator.Start()
//	if err != nil {
//		return err
//	}
//	defer srv.Close(ctx)
//
//	client := newClient(srv.URL) // instead of https://api.segment.io
//	client.Track("u-42", "Order Completed")
//
//	events, err := srv.Wait(ctx, 1) // no sleeping
//
// # What it answers
//
// Segment answers 200 {"success":true} to nearly everything and decides later
// what to drop. In the default mode, [Segment], the emulator answers the same
// way and keeps what would have been dropped, with Segment's own discard code,
// as a [Discard]. In mode [Strict] it answers an honest 4xx with that code
// instead and stores nothing of the request. Every answer of the tracking and
// the query API is JSON; the pixel endpoint answers its GIF and the stream is
// server-sent events.
//
// # What it keeps
//
// Each accepted message becomes an [Event], holding the message exactly as it
// was sent: it is never decoded and encoded again, so numbers keep their digits
// and members their order. One thing is taken out, always: the write key. Views
// and files carry its fingerprint, the first eight hex digits of its SHA-256
// (see [Fingerprint]).
//
// Events, discards and requests are read with the methods of [Emulator], or over
// HTTP under /emulator/v1/ (see [Emulator.Handler]).
//
// # When things go wrong
//
// [Emulator.Script] makes the next requests fail in ways a laptop's network
// never does: a 429 with Retry-After, a 503 that had stored the events anyway, a
// connection cut before or after the events were stored.
//
// The package stands alone: it imports no other package of this module.
package emulator
