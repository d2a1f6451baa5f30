package runtime

import "slices"

// SourceInfo describes a source to those who choose one. It never has the credential.
type SourceInfo struct {
	Name string `json:"name"`
	// Default means that at least one block uses the source if an invocation names none.
	Default bool `json:"default"`
	// Endpoint, Region, Delivery and Fingerprint come from the source, and are empty if it has no
	// method Describe. They say where and in which region it sends, how messages leave, as in a
	// [Receipt], and by what to recognize the credential.
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Emulated bool   `json:"emulated"`
	Delivery string `json:"delivery"`
	// Fingerprint is of the source's own credential. An input may bring another.
	Fingerprint string `json:"fingerprint"`
	// Blocks are the ids of the blocks that can use the source, sorted.
	Blocks []string `json:"blocks"`
}

// Sources describes the sources, in the order in which they were added. A source can describe
// itself with a method Describe() (endpoint, region, delivery, fingerprint string).
func (rt *Runtime) Sources() []SourceInfo {
	list := make([]SourceInfo, len(rt.sources))
	for i, s := range rt.sources {
		list[i] = SourceInfo{Name: s.name, Emulated: s.emulated, Blocks: []string{}}
		if d, ok := s.value.(interface {
			Describe() (endpoint, region, delivery, fingerprint string)
		}); ok {
			list[i].Endpoint, list[i].Region, list[i].Delivery, list[i].Fingerprint = d.Describe()
		}
	}
	for _, b := range rt.registry.All() { // sorted
		block, ok := b.(*Block)
		if !ok || !block.sourced {
			continue
		}
		chosen := false
		for i, s := range rt.sources {
			if block.accepts(s.value) {
				list[i].Blocks = slices.Compact(append(list[i].Blocks, block.manifest.ID)) // majors share an id
				list[i].Default = list[i].Default || !chosen
				chosen = true
			}
		}
	}
	return list
}
