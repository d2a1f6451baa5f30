package tracking

import (
	"cmp"
	"slices"

	"github.com/aacflow/segment-blocks/isotime"
)

// A body is {"sentAt":"…","batch":[…]}, or {"sentAt":"…",…} around the fields of a lone message. sentAt comes first and
// is as long every time, so each attempt writes its own at the same place.
const (
	sentAtOpen   = `{"sentAt":"`
	sentAtBlank  = "0000-00-00T00:00:00.000Z"
	sentAtClose  = `",`
	batchOpen    = `"batch":[`
	batchClose   = `]}`
	aloneBytes   = len(sentAtOpen) + isotime.Size + len(sentAtClose) - len("{")
	batchBytes   = len(sentAtOpen) + isotime.Size + len(sentAtClose) + len(batchOpen) + len(batchClose)
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
	groups := group(len(sizes), links)
	weight := func(g []int) (n int) {
		for _, i := range g {
			n += sizes[i] + 1
		}
		return n
	}
	weights := make([]int, len(groups))
	order := make([]int, len(groups))
	for g := range groups {
		weights[g], order[g] = weight(groups[g]), g
	}
	// The heaviest first onto the lightest lane keeps the lanes about as long as each other.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	members := make([]chunk, lanes)
	load := make([]int, lanes)
	for _, g := range order {
		lightest := 0
		for l := range load {
			if load[l] < load[lightest] {
				lightest = l
			}
		}
		members[lightest] = append(members[lightest], groups[g]...)
		load[lightest] += weights[g]
	}
	out := make([]lane, 0, lanes)
	for _, m := range members {
		if len(m) > 0 {
			slices.Sort(m)
			out = append(out, pack(m, sizes))
		}
	}
	return out
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

// group joins the messages that share ids, directly or through others. Groups are ordered by their first message.
func group(n int, links func(i int, visit func(id []byte))) [][]int {
	parent := make([]int, n)
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	owner := make(map[string]int)
	for i := range n {
		links(i, func(id []byte) {
			other, seen := owner[string(id)]
			if !seen {
				owner[string(id)] = i
				return
			}
			a, b := root(other), root(i)
			parent[max(a, b)] = min(a, b)
		})
	}
	at := make(map[int]int)
	var groups [][]int
	for i := range n {
		r := root(i)
		g, seen := at[r]
		if !seen {
			g = len(groups)
			at[r] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}
