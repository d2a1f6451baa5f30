package tracking

import (
	"cmp"
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

// partition is requests to send in sequence, each with the ascending indexes of its messages.
type partition [][]int

// split divides messages into as few partitions as inFlight parallel requests can use.
//
// Messages of one user must arrive in order, and a user may have several ids. So messages that
// share an id, directly or through others, go to the same partition, in order.
func split(messages []Prepared, inFlight int) []partition {
	all, sizes := make([]int, len(messages)), make([]int, len(messages))
	for i, m := range messages {
		all[i], sizes[i] = i, m.size()
	}
	whole := pack(all, sizes)
	n := min(inFlight, len(whole))
	if n <= 1 {
		return []partition{whole}
	}
	members := make([][]int, n)
	users := usersOf(messages)
	chosen := spread(sizes, users, n)
	for i, user := range users {
		members[chosen[user]] = append(members[chosen[user]], i)
	}
	var out []partition
	for _, m := range members {
		if len(m) > 0 {
			out = append(out, pack(m, sizes))
		}
	}
	return out
}

// spread chooses a partition for each user, so that the partitions have about the same length.
func spread(sizes, users []int, partitions int) (chosen []int) {
	weights := make([]int, len(users))
	for i, user := range users {
		weights[user] += sizes[i] + 1
	}
	var order []int
	for i, user := range users {
		if i == user {
			order = append(order, user)
		}
	}
	if slices.Max(weights) > MaxBodyBytes/4 { // else any order will do
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	}
	chosen = make([]int, len(users))
	load := make([]int, partitions)
	for _, user := range order {
		lightest := slices.Index(load, slices.Min(load))
		chosen[user] = lightest
		load[lightest] += weights[user]
	}
	return chosen
}

// pack fills one body after the other, in order.
func pack(indexes, sizes []int) partition {
	var out partition
	start, size := 0, batchBytes
	for n, i := range indexes {
		add := sizes[i]
		if n > start {
			add++ // the comma
		}
		if n > start && (size+add > MaxBodyBytes || n-start == MaxBatchMessages) {
			out = append(out, indexes[start:n:n])
			start, size, add = n, batchBytes, sizes[i]
		}
		size += add
	}
	return append(out, indexes[start:])
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
