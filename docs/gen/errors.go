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
		"invalid_write_key":       "ours: The write key holds characters that no write key has.",
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
		"more_warnings":          "There were more warnings than are listed. The message counts them.",
	}
}
