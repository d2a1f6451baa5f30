package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Names tells the member names of one object apart, without allocating. The zero value is empty. It
// keeps hashes, not names. A slower reader looks again at two names with the same hash, so a
// collision costs time but never changes a verdict.
type Names struct {
	count int
	// hashes has room for the names of most objects. In a larger one, names are not told apart.
	hashes [24]uint64
}

// Add adds a name without escapes. It returns false if the name may have been there before, or if
// there are too many names to tell.
func (n *Names) Add(name []byte) bool {
	h := hash(name)
	if n.count == len(n.hashes) || slices.Contains(n.hashes[:n.count], h) {
		return false
	}
	n.hashes[n.count] = h
	n.count++
	return true
}

// hash mixes the length, the first eight and the last eight bytes of a name. Names in which these
// are equal count as equal, until the slower reader looks.
func hash(name []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	var first, last uint64
	switch n := len(name); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(name)), uint64(binary.LittleEndian.Uint32(name[n-4:]))
	default:
		for i, c := range name {
			first |= uint64(c) << (8 * i)
		}
	}
	return (first*odd ^ bits.RotateLeft64(last, 31) ^ uint64(len(name))) * odd
}
