package runtime

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/schemas"
)

// Receipt says what really happened to an invocation, whether it succeeded or not. Accepted means
// that the receiver has confirmed receipt; nobody confirms delivery to destinations.
type Receipt struct {
	// InvocationID repeats the host's, or is a random one that the host may invoke again with.
	InvocationID string `json:"invocationId"`
	Block        string `json:"block"`
	// Version is that of the block's manifest.
	Version string `json:"version,omitempty"`
	// Source is the name of the source, Credential a fingerprint of its credential, never the
	// credential itself.
	Source     string `json:"source,omitempty"`
	Credential string `json:"credential,omitempty"`
	// Delivery is the way the messages leave, and so what success means, in the vendor's words,
	// such as direct.
	Delivery string `json:"delivery,omitempty"`
	// Endpoint is the base URL that was sent to, or will be.
	Endpoint string `json:"endpoint,omitempty"`
	// Emulated is true where the source is an emulator (see [EmulatedSource]), so that nothing has
	// reached the real receiver.
	Emulated bool `json:"emulated,omitempty"`
	// MessageIDs are those of all messages, in order; Accepted is how many of them the receiver has
	// confirmed, Stored how many have been stored safely to be sent later.
	MessageIDs []string `json:"messageIds"`
	Accepted   int      `json:"accepted"`
	Stored     int      `json:"stored,omitempty"`
	// Requests is how many different requests were made, Attempts how many times one was sent,
	// Bytes the size of all the bodies sent.
	Requests  int           `json:"requests"`
	Attempts  int           `json:"attempts"`
	Bytes     int64         `json:"bytes"`
	StartedAt time.Time     `json:"startedAt"`
	Duration  time.Duration `json:"-"` // durationMs in JSON
	// Warnings are what was sent though it looks like a mistake, or was changed on the way.
	Warnings []schemas.Violation `json:"warnings"`

	unlisted int
}

// maxWarnings bounds a receipt: a batch may give cause for several a message.
const maxWarnings = 100

// Warn adds a warning. Warnings after the hundredth are only counted.
func (r *Receipt) Warn(path, code, message string) {
	if len(r.Warnings) == maxWarnings {
		r.unlisted++
		return
	}
	r.Warnings = append(r.Warnings, schemas.Violation{
		Path: text.Clip(path, maxPath), Code: code, Message: text.Clip(message, maxSentence),
	})
}

// countUnlisted adds a last warning that says how many there were beyond those listed.
func (r *Receipt) countUnlisted() {
	if r.unlisted > 0 {
		r.Warnings = append(r.Warnings, schemas.Violation{
			Code: "more_warnings", Message: fmt.Sprintf("%d more warnings are not listed", r.unlisted),
		})
		r.unlisted = 0
	}
}

// receiptJSON is a Receipt as JSON. What it has itself takes the place of what it embeds.
type receiptJSON struct {
	plainReceipt
	DurationMS float64             `json:"durationMs"`
	Warnings   []schemas.Violation `json:"warnings"`
}

type plainReceipt Receipt

// MarshalJSON gives the duration in milliseconds and empty lists as lists.
func (r *Receipt) MarshalJSON() ([]byte, error) {
	j := receiptJSON{plainReceipt(*r), milliseconds(r.Duration), append([]schemas.Violation{}, r.Warnings...)}
	j.MessageIDs, j.StartedAt = append([]string{}, r.MessageIDs...), r.StartedAt.UTC()
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON has written. The duration comes back in whole microseconds.
func (r *Receipt) UnmarshalJSON(data []byte) error {
	var j receiptJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*r = Receipt(j.plainReceipt)
	r.Warnings, r.Duration = j.Warnings, time.Duration(math.Round(j.DurationMS*1000))*time.Microsecond
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
