package tracking

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
)

var (
	errUnclear = errors.New("the answer does not say whether the messages were accepted")
	errBroken  = errors.New("the answer is not valid JSON")
)

// judge says what an answer to a request means. Like Segment's libraries, it retries two statuses
// more than package retry: 410, and 460, which a load balancer sends when the client left before
// the answer.
func judge(a *retry.Answer, messages int) retry.Decision {
	decision := retry.Judge(a)
	switch {
	case decision.Code == "":
		return judgeBody(a, messages)
	case a.Status == http.StatusGone || a.Status == 460:
		return retry.Decision{Code: retry.Unavailable, Retry: true, InDoubt: a.Status == 460}
	}
	return decision
}

// judgeBody judges a 2xx answer. Only an answer that is understood is an acceptance. docs/errors.md
// has these rules as a table; keep both in step.
func judgeBody(a *retry.Answer, messages int) retry.Decision {
	body := bytes.TrimSpace(a.Body)
	j := judgement{}
	switch {
	case string(body) == `{"success":true}`: // Segment's own
		return retry.Decision{}
	case len(body) == 0 || string(body) == "null":
		j.unclear = a.Status == http.StatusMultiStatus // the outcomes should be in the body
		return j.decision(messages)
	case body[0] == '<': // something in between, such as a proxy that wants a login
		return retry.Decision{Code: retry.Rejected}
	}
	switch rawjson.KindOf(body) {
	case rawjson.ObjectKind, rawjson.ArrayKind:
		if rawjson.Check(body, rawjson.Limits{}) != nil {
			return retry.Decision{Code: retry.Unavailable, Retry: true, InDoubt: true, Err: errBroken}
		}
	}
	j.value(body, 0)
	return j.decision(messages)
}

// maxAnswerDepth is how deep outcomes may be nested:
// {"response":{"results":[{"result":{"status":400}}]}}.
const maxAnswerDepth = 6

// judgement collects what an answer says about messages.
type judgement struct {
	yes, no     bool // about all of them
	some        bool // were not taken
	unclear     bool
	counted     bool
	count, most int // the fewest that any member counts as taken, and of how many
}

func (j *judgement) decision(messages int) retry.Decision {
	short := j.counted && j.count < max(j.most, messages)
	switch {
	case j.no && !j.yes && j.count == 0:
		return retry.Decision{Code: retry.Rejected}
	case j.no || j.some || short: // of several, some may have been taken
		return retry.Decision{Code: retry.Rejected, InDoubt: messages > 1}
	case j.unclear && !j.yes:
		return retry.Decision{Code: retry.Rejected, InDoubt: true, Err: errUnclear}
	}
	return retry.Decision{}
}

func (j *judgement) value(raw json.RawMessage, depth int) {
	switch rawjson.KindOf(raw) {
	case rawjson.ObjectKind:
		if depth < maxAnswerDepth {
			for _, m := range rawjson.OpenObject(raw) {
				j.member(m.Name, m.Value, depth+1)
			}
		}
	case rawjson.ArrayKind:
		if depth < maxAnswerDepth {
			for _, e := range rawjson.OpenArray(raw) {
				j.element(e, depth+1)
			}
		}
	default:
		j.word(raw)
	}
}

// element judges a value that may be the outcome of one message.
func (j *judgement) element(raw json.RawMessage, depth int) {
	var one judgement
	one.value(raw, depth)
	switch decision := one.decision(1); {
	case decision.Err != nil: // an id, say
		j.unclear = j.unclear || rawjson.KindOf(raw) == rawjson.ObjectKind
	case decision.Code != "":
		j.some = true
	}
}

func (j *judgement) member(name string, raw json.RawMessage, depth int) {
	kind := rawjson.KindOf(raw)
	switch strings.ReplaceAll(strings.ToLower(name), "_", "") {
	case "success", "ok", "successful":
		j.no = j.no || kind == rawjson.NumberKind && string(raw) == "0"
		j.value(raw, depth)
	case "status", "statuscode", "code", "state", "result", "outcome":
		j.value(raw, depth)
	case "data", "response", "responses", "results", "items", "statuses", "outcomes":
		if kind == rawjson.ObjectKind || kind == rawjson.ArrayKind {
			j.value(raw, depth)
		}
	case "error":
		j.no = j.no || !empty(raw)
	case "errors", "failed", "failures", "rejected", "invalid", "dropped", "discarded",
		"failedevents", "errorcount", "failurecount", "failedcount":
		j.some = j.some || !empty(raw)
	case "accepted", "processed", "ingested", "succeeded", "imported", "okevents", "successcount":
		if n, err := strconv.Atoi(string(raw)); err == nil {
			if !j.counted || n < j.count {
				j.counted, j.count = true, n
			}
		} else if kind != rawjson.ObjectKind && kind != rawjson.ArrayKind {
			j.value(raw, depth)
		}
	case "total", "receivedevents":
		if n, err := strconv.Atoi(string(raw)); err == nil {
			j.most = max(j.most, n)
		}
	}
}

// word judges a scalar: a flag, a status, or a whole answer.
func (j *judgement) word(raw []byte) {
	said := string(raw)
	if text, ok := rawjson.Text(raw); ok {
		said = text
	}
	said = strings.ToLower(strings.TrimRight(strings.TrimSpace(said), ".!"))
	if n, err := strconv.Atoi(said); err == nil {
		j.no = j.no || n >= 400 && n < 600
		return
	}
	switch said {
	case "", "null":
	case "true", "yes", "ok", "okay", "success", "successful", "succeeded", "accepted", "received", "created", "queued",
		"enqueued", "scheduled", "pending", "processing", "processed", "ingested", "delivered", "stored", "done",
		"complete",
		"completed":
		j.yes = true
	case "false", "no", "error", "errors", "fail", "failed", "failure", "rejected", "refused", "invalid", "denied",
		"dropped",
		"discarded", "unauthorized", "forbidden":
		j.no = true
	case "partial", "partial_success", "partialsuccess", "partially_accepted":
		j.some = true
	default:
		j.unclear = true
	}
}

// empty reports whether a member that lists or counts failures has none.
func empty(raw json.RawMessage) bool {
	switch string(bytes.Join(bytes.Fields(raw), nil)) {
	case "null", "false", "0", `""`, "[]", "{}", `"0"`, `"false"`, `"none"`:
		return true
	}
	return false
}
