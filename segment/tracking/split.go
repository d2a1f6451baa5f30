package tracking

import (
	"cmp"
	"slices"
)

// A body is {"sentAt":"…","batch":[…]}, or {"sentAt":"…",…} around the fields of a lone message. sentAt comes first and
// is as long every time, so each attempt writes its own at the same place.
const (
	sentAtOpen   = `{"sentAt":"`
	sentAtBlank  = "0000-00-00T00:00:00.000Z"
	sentAtClose  = `",`
	sentAtMember = sentAtOpen + sentAtBlank + sentAtClose
	batchOpen    = `"batch":[`
	batchClose   = `]}`
	batchBytes   = len(sentAtMember) + len(batchOpen) + len(batchClose)
	sentAtOffset = len(sentAtOpen)
)

// chunk is what one request carries: indexes of messages, ascending.
type chunk []int

// lane is a list of chunks that must go one after the other.
type lane []chunk

// split spreads messages of the given sizes over as few lanes as at most inFlight requests at a time can use.
//
// Messages of one person must arrive in order, and a person may go by several ids. So messages that share an id,
// directly or through others, go through the same lane, in order; links visits a message's ids.
func split(sizes []int, links func(i int, visit func(id []byte)), inFlight int) []lane {
	all := make(chunk, len(sizes))
	for i := range all {
		all[i] = i
	}
	whole := pack(all, sizes)
	lanes := min(inFlight, len(whole))
	if lanes <= 1 {
		return []lane{whole}
	}
	people := link(len(sizes), links)
	laneOf := spread(sizes, people, lanes)
	members := make([]chunk, lanes)
	for i := range sizes {
		l := laneOf[people[i]]
		members[l] = append(members[l], i)
	}
	out := make([]lane, 0, lanes)
	for _, m := range members {
		if len(m) > 0 {
			out = append(out, pack(m, sizes))
		}
	}
	return out
}

// spread gives each person a lane, so that the lanes are about as long as each other.
func spread(sizes, people []int, lanes int) (laneOf []int) {
	weights := make([]int, len(people))
	heaviest := 0
	for i, person := range people {
		weights[person] += sizes[i] + 1
		heaviest = max(heaviest, weights[person])
	}
	order := make([]int, 0, len(people))
	for i, person := range people {
		if i == person {
			order = append(order, person)
		}
	}
	if heaviest > MaxBodyBytes/4 { // else any order will do
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	}
	laneOf = make([]int, len(people))
	load := make([]int, lanes)
	for _, person := range order {
		lightest := 0
		for l := range load {
			if load[l] < load[lightest] {
				lightest = l
			}
		}
		laneOf[person] = lightest
		load[lightest] += weights[person]
	}
	return laneOf
}

// pack fills one body after the other, in order.
func pack(indexes chunk, sizes []int) lane {
	var out lane
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

// link finds the messages that share ids, directly or through others, and so belong to one person. It returns for each message the first
// of its person.
func link(n int, links func(i int, visit func(id []byte))) []int {
	first := make([]int, n)
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
	owner := make(map[string]int, n)
	message := 0
	join := func(id []byte) {
		other, seen := owner[string(id)]
		if !seen {
			owner[string(id)] = message
			return
		}
		a, b := root(other), root(message)
		first[max(a, b)] = min(a, b)
	}
	for message = range n {
		links(message, join)
	}
	for i := range first {
		first[i] = root(i)
	}
	return first
}
