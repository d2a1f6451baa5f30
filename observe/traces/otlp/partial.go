package otlp

import "google.golang.org/protobuf/encoding/protowire"

// rejectedSpans reads out of an answer, an ExportTraceServiceResponse, how many spans were not taken: field 1 of its field 1. What cannot
// be read says nothing of any.
func rejectedSpans(answer []byte) uint64 {
	partial, _ := field(answer, 1)
	_, rejected := field(partial, 1)
	return rejected
}

// field returns a field of a message, as bytes or as a number.
func field(message []byte, wanted protowire.Number) (data []byte, number uint64) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil, 0
		}
		message = message[size:]
		if n == wanted && kind == protowire.BytesType {
			data, _ = protowire.ConsumeBytes(message)
		}
		if n == wanted && kind == protowire.VarintType {
			number, _ = protowire.ConsumeVarint(message)
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return nil, 0
		}
		message = message[size:]
	}
	return data, number
}
