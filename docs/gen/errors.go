package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
)

// errorsPage lists error codes and violation codes. It fails when a manifest uses a code that is not explained.
func errorsPage(entries []registry.Entry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from the runtime's codes and schemas/segment by go generate ./docs/gen. Do not edit. -->\n\n")
	b.WriteString(`# Errors

A failed invocation returns one error. In Go it is a ` + "`*runtime.Error`" + `; on the command line and over the wire it is this object:

` + "```json" + `
{
  "code": "invalid_input",
  "message": "segment_track refused its input, nothing was sent: /event must not be empty: \"\"",
  "retryable": false,
  "violations": [{"path": "/event", "code": "event_not_defined", "message": "must not be empty: \"\""}]
}
` + "```" + `

Where they apply it also has ` + "`status`, `retryAfterSeconds`, `items` (the outcome of each message of a batch) and `receipt`" + `. The codes
are stable; the texts may change. A ` + "`path`" + ` is a JSON Pointer (RFC 6901) into the input, empty for the input as a whole, which the
command line shows as ` + "`/`" + `.

## Error codes

"Sent" tells whether anything can have left. Invoking again is always safe with the same invocation id and input: the messages have the
same ids, and Segment counts each once, at least for 24 hours.

| Code | When | What to do | Sent |
| ---- | ---- | ---------- | ---- |
`)
	for _, c := range runtime.Codes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, cell(c.Meaning), cell(c.Remedy), c.Sent)
	}
	b.WriteString(answers)
	b.WriteString(`
## Violation codes

They say what is wrong with the input. Those marked Segment are the ones under which Segment itself discards such a message after
having answered 200.

| Code | Whose | Meaning |
| ---- | ----- | ------- |
`)
	explained := violationCodes()
	for _, code := range slices.Sorted(maps.Keys(explained)) {
		whose, meaning, _ := strings.Cut(explained[code], ": ")
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code, whose, cell(meaning))
	}
	b.WriteString(`
## Warning codes

Warnings stand in the receipt. What they speak of was sent.

| Code | Meaning |
| ---- | ------- |
`)
	warnings := warningCodes()
	for _, code := range slices.Sorted(maps.Keys(warnings)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", code, cell(warnings[code]))
	}
	for _, e := range entries {
		for _, code := range codesIn(e.InputSchema) {
			if explained[code] == "" {
				return nil, fmt.Errorf("the manifest of %s uses a code that docs/gen does not explain: %q", e.ID, code)
			}
		}
	}
	return b.Bytes(), nil
}

// answers says what package tracking makes of an answer. The rules are those of segment/tracking/answer.go.
const answers = `
## What counts as accepted

A message counts as accepted only when an answer with a 2xx status was read to its end and its body does not say otherwise. These are
the rules for the body. The cases of one row have the same result; "flags" are ` + "`success`, `ok`, `successful`" + `, "states" are
` + "`status`, `statusCode`, `code`, `state`, `result`, `outcome`" + `. Names match in any case, with or without underscores.

| The body of a 2xx | A message sent alone | A batch | Tried again |
| ----------------- | -------------------- | ------- | ----------- |
| is empty or ` + "`null`" + ` (with 207 see "not understood") | accepted | accepted | no |
| is an object without any of the signs below, such as ` + "`{\"success\":true}` or `{}`" + ` | accepted | accepted | no |
| is, as text or JSON, ` + "`ok`, `true`, `success`, `accepted`, `created`, `queued`, `done`" + ` or another such word, or a flag or state has it as value | accepted | accepted | no |
| has a flag or state of ` + "`false`, `\"false\"`, `\"error\"`, `\"failed\"`, `\"rejected\"`" + ` or another such word, a flag of 0, or a state of 400 to 599 | rejected | rejected | no |
| has an ` + "`error`" + ` that is not empty | rejected | rejected | no |
| has ` + "`errors`, `failed`, `failures`, `rejected`, `invalid`, `dropped`, `discarded`" + ` or a count of them that is not empty, ` + "`false`" + ` or 0, without a flag or state that says no to all | rejected | unconfirmed | no |
| counts fewer messages (` + "`accepted`, `processed`, `ingested`, `succeeded`, `imported`, `okEvents`, `successCount`) than its `total` or `receivedEvents`" + `, or than were sent | rejected | unconfirmed | no |
| is a list, or has one (` + "`results`, `items`, `responses`, `statuses`, `outcomes`, `data`" + `), with an outcome that one of the rows above rejects, such as a 207 with a 400 | rejected | unconfirmed | no |
| contradicts itself: it says no, and yes or a count above 0 | rejected | unconfirmed | no |
| is a page of HTML or XML, such as that of a proxy that wants a login | rejected | rejected | no |
| is not understood: another text, or a flag or state with another word and none that says yes | unconfirmed | unconfirmed | no |
| was cut off, did not end in time, is JSON that is not valid, or is longer than 64 KiB, what was sent, and 1 KiB for each message | unconfirmed | unconfirmed | yes, as after a 503 |

Rejected and unconfirmed messages fail with ` + "`rejected`" + `, those of the last row with ` + "`unavailable`" + `. To send either again with the same
messageId is safe. Where several messages share a request, a coalesced or durable source sends them apart to find the one at fault.

Tried again are also network errors, timeouts, and the statuses 408, 410, 429, 460 and 5xx save 501, 505 and 511. A ` + "`Retry-After`" + `
with any of them pauses the whole source, 300 seconds at most, and that retry does not count. A call waits up to 2 minutes in
all (` + "`RateLimitBudget`" + ` in Go). When that is not enough it fails at once with ` + "`rate_limited` and `retryAfterSeconds`" + `.
`

// codesIn collects the values of x-code and x-codes at any depth.
func codesIn(schema []byte) []string {
	var codes []string
	rawjson.Texts(schema, func(pointer, text string) bool {
		if strings.HasSuffix(pointer, "/x-code") || strings.Contains(pointer, "/x-codes/") {
			codes = append(codes, text)
		}
		return true
	})
	return codes
}

// violationCodes explains each code, behind whose it is.
func violationCodes() map[string]string {
	return map[string]string{
		"no_user_anon_id":       "Segment: There is neither a userId nor an anonymousId.",
		"event_not_defined":     "Segment: A track call has no event name.",
		"event_not_string":      "Segment: The event name is not a text.",
		"properties_not_object": "Segment: The properties are not an object.",
		"traits_not_object":     "Segment: The traits are not an object.",
		"name_not_string":       "Segment: The name of a page or screen is not a text.",
		"category_not_string":   "Segment: The category of a page or screen is not a text.",
		"id_required":           "Segment: An id that this call needs is missing.",
		"id_not_string":         "Segment: An id is not a text, or is empty.",
		"empty_batch":           "Segment: The batch holds no message.",
		"invalid_type":          "Segment: The type of a message is none of the six.",
		"missing_type":          "Segment: A message of a batch does not say its type.",

		"consent_categorypreferences_should_exist":            "Segment: The consent event lacks context.consent.categoryPreferences.",
		"consent_categorypreferences_fields_should_be_object": "Segment: context.consent.categoryPreferences of the consent event is not an object.",
		"consent_categorypreferences_fields_should_be_bool":   "Segment: A category of the consent event is not true or false.",
		"consent_version_should_be_number":                    "Segment: context.consent.version of the consent event is not a number.",
		"device_advertisingid_should_be_string":               "Segment: context.device.advertisingId of the consent event is not a text.",

		"context_not_object":      "ours: The context is not an object.",
		"integrations_not_object": "ours: The integrations are not an object.",
		"invalid_timestamp":       "ours: The timestamp is no ISO 8601 time.",
		"invalid_message_id":      "ours: A messageId is not a text of 1 to 99 characters.",
		"invalid_write_key":       "ours: The write key holds characters that no write key has, or has fewer than 8.",
		"write_key_in_message":    "ours: A message of a batch holds a write key, which would send it to another source.",
		"batch_not_array":         "ours: The batch is not a list.",
		"message_not_object":      "ours: A message of a batch is not an object.",
		"message_too_large":       "ours: A message is larger than Segment takes.",
		"type_mismatch":           "ours: A message says another type than the call it is sent by.",

		"unknown_parameter":    "any block: The block has no such parameter.",
		"unresolved_reference": "any block: The value is a {{VARIABLE}} or <block.field> that the host has not resolved.",
		"missing_credential":   "any block: Neither the source nor the input has a credential.",
		"invalid_json":         "any block: The input, or a text that should hold JSON, is not valid JSON.",
		"duplicate_key":        "any block: A member is named twice.",
		"invalid_utf8":         "any block: A text is not valid UTF-8.",
		"too_deep":             "any block: Objects and lists nest too deep.",
		"too_large":            "any block: The input has too many bytes.",
		"wrong_type":           "any block: The value has the wrong JSON type.",
		"missing_parameter":    "any block: A parameter is missing.",
		"too_short":            "any block: The text is too short.",
		"too_long":             "any block: The text is too long.",
		"too_few":              "any block: The list has too few items.",
		"too_many":             "any block: The list has too many items.",
		"invalid_format":       "any block: The text does not have the form it must have.",
		"invalid_value":        "any block: The value breaks another rule of the schema, which the message gives.",
	}
}

func warningCodes() map[string]string {
	return map[string]string{
		"unresolved_reference":   "A text still holds a {{VARIABLE}} or <block.field>. Inside free-form JSON that may be meant.",
		"sent_at_replaced":       "A message of a batch has a sentAt. It is not sent: the protocol needs the time of each attempt there.",
		"field_set_by_segment":   "A field is one that Segment sets itself. It is sent as given, and Segment may replace it.",
		"field_unknown":          "A field is none that this type of message has. It is sent as given, and Segment may ignore it.",
		"timestamp_zone_assumed": "A timestamp names no zone and was taken as UTC.",
		"duplicate_message_id":   "Two messages of a batch have the same messageId. Segment keeps one of them.",
		"write_key_form":         "The write key does not have the form of Segment's, 32 letters and digits. Segment drops what comes with an unknown key.",
		"integrations_all_case":  "The name that stands for all destinations is All, and is given in another case.",
		"emulated":               "The source is an emulator. Nothing has reached the real receiver.",
		"more_warnings":          "There were more warnings than are listed. The message counts them.",
	}
}
