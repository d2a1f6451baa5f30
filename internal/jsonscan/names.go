package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Names tells the names of one object's members apart, without allocating. The zero value is empty.
// It keeps hashes, not names: two names with the same hash are looked at again by a slower reader,
// so that a collision costs time and never a verdict.
type Names struct {
	seen   uint64 // bit h%64 of each hash
	count  int
	hashes [24]uint64
}

// Add takes in a name without escapes. It returns false where the name may have been there before,
// or there are too many to tell.
func (n *Names) Add(name []byte) bool {
	h := hash(name)
	bit := uint64(1) << (h >> 58)
	if n.seen&bit != 0 {
		for _, known := range n.hashes[:n.count] {
			if known == h {
				return false
			}
		}
	}
	if n.count == len(n.hashes) {
		return false
	}
	n.seen |= bit
	n.hashes[n.count] = h
	n.count++
	return true
}

// hash mixes the length, the first eight and the last eight bytes of a name. Names in which these
// are the same are taken for the same, and looked at again.
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
