package emulator

// The limits of Segment's HTTP API. Its documentation says "KB" without saying
// which; the emulator takes the higher reading, so that it never refuses what
// Segment would take. A sender should stay under the lower one.
const (
	// MaxMessageBytes bounds a single call, and one message inside a batch.
	// Segment HTTP API: 32 KB.
	MaxMessageBytes = 32 << 10

	// MaxBatchBytes bounds the body of a batch, after decompression.
	// Segment HTTP API: 500 KB.
	MaxBatchBytes = 500 << 10

	// MaxBatchMessages bounds the messages of one batch.
	// Segment HTTP API: 2500.
	MaxBatchMessages = 2500

	// A messageId must stay under this length, in characters. A longer one is
	// noted on the event, not refused.
	// Segment HTTP API: fewer than 100 characters.
	maxMessageIDLength = 100

	// The shortest write key that looks like one. Segment has been seen to answer
	// 400 to an empty or very short key and 200 to any other, valid or not.
	// KnownWriteKeys lifts this for the keys it lists.
	minWriteKeyLength = 8
)

// The limits of the emulator's own, which keep what a request costs and what is
// kept of all of them in bounds.
const (
	maxDepth         = 512       // nesting of arrays and objects in a body
	maxWriteKey      = 256       // characters
	maxSecrets       = 2_502     // write keys of one request looked for everywhere in it
	maxProblems      = 100       // listed for one message, and in one answer
	maxMergedBytes   = 16 << 20  // bytes that the messages of one batch take over from it
	maxDrain         = 8 << 20   // bytes read and thrown away so that a refusal reaches the client
	maxRecords       = 1_000     // requests, and discards, kept
	maxRecordBytes   = 16 << 20  // bytes of requests, and of discards, kept
	maxEventBytes    = 64 << 20  // bytes of events kept
	maxLine          = 4 << 20   // bytes of a line of the log
	maxRemembered    = 1_000_000 // messageIds remembered against duplicates
	maxFaults        = 10_000    // scripted faults waiting
	maxChunk         = 64 << 10  // bytes of events after which a stream writes
	maxQueryBody     = 1 << 20   // bytes of a POST to the query API
	defaultCapacity  = 10_000
	defaultPageLimit = 100
	maxPageLimit     = 10_000
)

// The codes that several places use. [Problem] tells of all of them.
const (
	badRequest    = "bad_request"    // the payload could not be decoded, or is over a limit
	unknownSource = "unknown_source" // no source has this write key
	idNotString   = "id_not_string"  // an id is empty or not a string
)

// A Problem is one thing wrong with a message or with a whole request.
type Problem struct {
	// Code is the discard code that Segment shows in Delivery Overview hours after
	// it answered 200, so that what is learned here can be looked up there:
	//
	//	bad_request            the payload could not be decoded, or is over a limit
	//	unknown_source         no source has this write key
	//	empty_batch            the batch holds no messages
	//	missing_type           a message in a batch without type
	//	invalid_type           not one of the six types
	//	no_user_anon_id        neither userId nor anonymousId
	//	id_required            groupId, or userId and previousId of an alias, is missing
	//	id_not_string          an id is empty or not a string
	//	event_not_defined      a track call without an event
	//	event_not_string       an event that is not a string
	//	properties_not_object  properties is not an object
	//	traits_not_object      traits is not an object
	//	name_not_string        a page or screen name that is empty or not a string
	//	category_not_string    a page or screen category that is empty or not a string
	//
	// The track event "Segment Consent Preference Updated" has some of its own, which
	// begin with consent_ and device_. The emulator adds one: duplicate, for a
	// messageId that was stored inside the [DedupWindow] already.
	//
	// Segment docs: Delivery Overview, discard reasons, "Failed on Ingest".
	Code string `json:"code"`
	// Pointer is the JSON Pointer (RFC 6901) of the offending value in the
	// request's body, or of the place where a value is missing. "" is the whole
	// body.
	Pointer string `json:"pointer"`
	// Text says in one line what is wrong and how it should be.
	Text string `json:"text"`
}
