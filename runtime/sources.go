package runtime

import "slices"

// SourceInfo describes a source to whoever has to choose one. It never holds the credential.
type SourceInfo struct {
	Name string `json:"name"`
	// Default says that at least one block uses the source when an invocation names none.
	Default bool `json:"default"`
	// Endpoint, Region, Delivery and Fingerprint are the vendor's own words, as in a [Receipt]:
	// where the source sends, in which region, the way the messages leave, and what the credential
	// can be recognized by. They are empty where the source does not say.
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Emulated bool   `json:"emulated"`
	Delivery string `json:"delivery"`
	// Fingerprint is that of the source's own credential; an input may bring another.
	Fingerprint string `json:"fingerprint"`
	// Blocks are the ids of the blocks that can use the source, sorted.
	Blocks []string `json:"blocks"`
}

// Sources describes the sources in the order in which they were added. A source tells about itself
// with a method Describe() (endpoint, region, delivery, fingerprint string).
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
