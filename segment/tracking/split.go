package tracking

import (
	"hash/maphash"
	"slices"

	"github.com/aacflow/segment-blocks/internal/isotime"
)

// A body is {"sentAt":"…","batch":[…]}, or {"sentAt":"…",…} around the fields of a lone message.
const (
	sentAtOpen  = `{"sentAt":"`
	sentAtClose = `",`
	sentAtBytes = len(sentAtOpen) + isotime.Size + len(sentAtClose)
	batchOpen   = `"batch":[`
	batchClose  = `]}`
	batchBytes  = sentAtBytes + len(batchOpen) + len(batchClose)
	aloneBytes  = sentAtBytes - len(`{`) // what a message that goes alone has beside itself
)

// request is one HTTP request of a batch.
type request struct {
	number   int
	messages []int // indexes, ascending
	size     int   // of the body
	attempts int   // guarded by sending.mu
}

// split divides messages into requests, and those into as few partitions as inFlight parallel
// requests can use. The requests of a partition are sent in sequence.
//
// Messages of one user must arrive in order, and a user may have several ids. So messages that
// share an id, directly or through others, go to the same partition, in order. A user's first
// message goes where the least has gone so far.
func split(messages []Prepared, inFlight int) [][]*request {
	all := make([]int, len(messages))
	for i := range all {
		all[i] = i
	}
	whole := pack(messages, all)
	n := min(inFlight, len(whole))
	if n <= 1 {
		return [][]*request{whole}
	}
	members, load, chosen := make([][]int, n), make([]int, n), make([]int, len(messages))
	for i, user := range usersOf(messages) {
		if i == user {
			chosen[user] = slices.Index(load, slices.Min(load))
		}
		p := chosen[user]
		members[p], load[p] = append(members[p], i), load[p]+messages[i].size()
	}
	var out [][]*request
	for _, m := range members {
		if len(m) > 0 {
			out = append(out, pack(messages, m))
		}
	}
	return out
}

// pack fills one body after the other, in order.
func pack(messages []Prepared, indexes []int) []*request {
	r := &request{size: batchBytes}
	out := []*request{r}
	for n, i := range indexes {
		size := messages[i].size()
		if c := len(r.messages); c > 0 && (r.size+1+size > MaxBodyBytes || c == MaxBatchMessages) {
			r = &request{size: batchBytes}
			out = append(out, r)
		} else if c > 0 {
			r.size++ // the comma
		}
		r.messages, r.size = indexes[n-len(r.messages):n+1:n+1], r.size+size
	}
	return out
}

// usersOf groups the messages that share ids, directly or through others, and so belong to one
// user. For each message, it returns the first message of its user.
func usersOf(messages []Prepared) []int {
	first := make([]int, len(messages))
	for i := range first {
		first[i] = i
	}
	root := func(i int) int {
		for first[i] != i {
			first[i] = first[first[i]]
			i = first[i]
		}
		return i
	}
	// Two ids with the same hash would only put two users into one partition.
	owner, seed := make(map[uint64]int, len(messages)), maphash.MakeSeed()
	var ids [][]byte
	for i, m := range messages {
		ids = appendUserIDs(ids[:0], m.fields)
		for _, id := range ids {
			hash := maphash.Bytes(seed, id)
			other, seen := owner[hash]
			if !seen {
				owner[hash] = i
				continue
			}
			a, b := root(other), root(i)
			first[max(a, b)] = min(a, b)
		}
	}
	for i := range first {
		first[i] = root(i)
	}
	return first
}
