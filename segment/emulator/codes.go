package emulator

// Codes of the problems a message can have. They are the discard codes that
// Segment shows in Delivery Overview hours after it answered 200, so what is
// learned here can be looked up there.
//
// Segment docs: Delivery Overview, discard reasons, "Failed on Ingest".
const (
	CodeBadRequest          = "bad_request"           // the payload could not be decoded, or is over a limit
	CodeUnknownSource       = "unknown_source"        // no source has this write key
	CodeEmptyBatch          = "empty_batch"           // the batch holds no messages
	CodeMultiUserError      = "multi_user_error"      // some messages of a batch are bad
	CodeMissingType         = "missing_type"          // a message in a batch without type
	CodeInvalidType         = "invalid_type"          // not one of the six types
	CodeNoUserAnonID        = "no_user_anon_id"       // neither userId nor anonymousId
	CodeIDRequired          = "id_required"           // groupId, or userId and previousId of an alias, is missing
	CodeIDNotString         = "id_not_string"         // an id is empty or not a string
	CodeEventNotDefined     = "event_not_defined"     // a track call without an event
	CodeEventNotString      = "event_not_string"      // an event that is not a string
	CodePropertiesNotObject = "properties_not_object" // properties is not an object
	CodeTraitsNotObject     = "traits_not_object"     // traits is not an object
	CodeNameNotString       = "name_not_string"       // a page or screen name that is empty or not a string
	CodeCategoryNotString   = "category_not_string"   // a page or screen category that is empty or not a string

	// Only for the track event "Segment Consent Preference Updated".
	CodeConsentMissing        = "consent_categorypreferences_should_exist"
	CodeConsentNotObject      = "consent_categorypreferences_fields_should_be_object"
	CodeConsentNotBool        = "consent_categorypreferences_fields_should_be_bool"
	CodeAdvertisingNotString  = "device_advertisingid_should_be_string"
	CodeConsentVersionNumeric = "consent_version_should_be_number"
)

// Codes of the emulator's own, where Segment has none.
const (
	CodeDuplicate        = "duplicate"          // a messageId already stored inside the window
	CodeNotFound         = "not_found"          // no such path, event or key
	CodeMethodNotAllowed = "method_not_allowed" // the Allow header lists what is
	CodeForbidden        = "forbidden"          // the query API was asked from elsewhere
	CodeUnauthorized     = "unauthorized"       // the query API needs its token
	CodeStorage          = "storage_error"      // the log file could not be written, nothing was stored
	CodeUnavailable      = "unavailable"        // the emulator is closing
)

// A Problem is one thing wrong with a message or with a whole request.
type Problem struct {
	// Code is one of the Code constants.
	Code string `json:"code"`
	// Pointer is the JSON Pointer (RFC 6901) of the offending value in the
	// request's body, or of the place where a value is missing. "" is the whole
	// body.
	Pointer string `json:"pointer"`
	// Text says in one line what is wrong and how it should be.
	Text string `json:"text"`
}
