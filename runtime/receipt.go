package runtime

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/schemas"
)

// Receipt says what really happened in an invocation, whether it succeeded or not. Accepted means
// that the receiver has confirmed receipt. Nobody confirms delivery to destinations.
type Receipt struct {
	// InvocationID is the host's, or a random one with which the host may invoke again.
	InvocationID string `json:"invocationId"`
	Block        string `json:"block"`
	// Version is the version of the block's manifest.
	Version string `json:"version,omitempty"`
	// Source is the name of the source. Credential is a fingerprint of its credential, never the
	// credential itself.
	Source     string `json:"source,omitempty"`
	Credential string `json:"credential,omitempty"`
	// Delivery is how messages leave, in the vendor's words, such as direct. It decides what
	// success means.
	Delivery string `json:"delivery,omitempty"`
	// Endpoint is the base URL to which messages were sent, or will be.
	Endpoint string `json:"endpoint,omitempty"`
	// Emulated is true if the source is an emulator, so nothing has reached the real receiver. See
	// [EmulatedSource].
	Emulated bool `json:"emulated,omitempty"`
	// MessageIDs has the ids of all messages, in order. Accepted counts those that the receiver has
	// confirmed, and Stored those on disk, to be sent later.
	MessageIDs []string `json:"messageIds"`
	Accepted   int      `json:"accepted"`
	Stored     int      `json:"stored,omitempty"`
	// Requests counts the different requests, Attempts how often any of them was sent, and Bytes
	// sums the bodies of all attempts.
	Requests  int           `json:"requests"`
	Attempts  int           `json:"attempts"`
	Bytes     int64         `json:"bytes"`
	StartedAt time.Time     `json:"startedAt"`
	Duration  time.Duration `json:"-"` // durationMs in JSON
	// Warnings lists what was sent although it looks like a mistake, and what was changed.
	Warnings []schemas.Violation `json:"warnings"`

	unlisted int
}

// maxWarnings bounds a receipt, because a batch may cause several warnings for each message.
const maxWarnings = 100

// Warn adds a warning. After 100, warnings are only counted.
func (r *Receipt) Warn(path, code, message string) {
	if len(r.Warnings) == maxWarnings {
		r.unlisted++
		return
	}
	r.Warnings = append(r.Warnings, schemas.Violation{
		Path: text.Clip(path, maxPath), Code: code, Message: text.Clip(message, maxSentence),
	})
}

// countUnlisted adds a last warning that says how many more there were.
func (r *Receipt) countUnlisted() {
	if r.unlisted > 0 {
		r.Warnings = append(r.Warnings, schemas.Violation{
			Code: "more_warnings", Message: fmt.Sprintf("%d more warnings are not listed", r.unlisted),
		})
		r.unlisted = 0
	}
}

// receiptJSON is a Receipt as JSON. Its own fields take precedence over the embedded ones.
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

// UnmarshalJSON reads what MarshalJSON has written. The duration is then in whole microseconds.
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
