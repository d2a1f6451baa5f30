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

	// MaxMessageIDLength is the length a messageId must stay under, in
	// characters. A longer one is noted on the event, not refused.
	// Segment HTTP API: fewer than 100 characters.
	MaxMessageIDLength = 100

	// MinWriteKeyLength is the shortest write key that looks like one. Segment
	// has been seen to answer 400 to an empty or very short key and 200 to any
	// other, valid or not. KnownWriteKeys lifts this for the keys it lists.
	MinWriteKeyLength = 8
)

const (
	maxDepth         = 512       // nesting of arrays and objects in a body
	maxWriteKey      = 256       // characters
	maxSecrets       = 2_502     // write keys of one request looked for everywhere in it
	maxProblems      = 100       // told of one message, and in one answer
	maxMergedBytes   = 16 << 20  // bytes that the messages of one batch take over from it
	maxDrain         = 8 << 20   // bytes read and thrown away so that a refusal reaches the client
	maxRecords       = 1_000     // requests, and discards, kept
	maxRecordBytes   = 16 << 20  // bytes of requests, and of discards, kept
	maxEventBytes    = 64 << 20  // bytes of events kept
	maxLine          = 4 << 20   // bytes of a line of the log
	maxRemembered    = 1_000_000 // messageIds remembered against duplicates
	maxFaults        = 10_000    // scripted faults waiting
	maxStreams       = 64        // open event streams
	maxClientStreams = 16        // of those, from one address
	maxQueryBody     = 1 << 20   // bytes of a POST to the query API
	defaultCapacity  = 10_000
	defaultPageLimit = 100
	maxPageLimit     = 10_000
)
