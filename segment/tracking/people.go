package tracking

import "github.com/aacflow/segment-blocks/rawjson"

// People calls visit with each id by which the message names a person: userId, anonymousId and previousId, as JSON strings in the one
// spelling that has no needless escapes. Messages that share one, of whichever of the three fields, must arrive in their order. What
// visit gets is not to be changed or kept.
func (m Message) People(visit func(id []byte)) { linkIDs(m.fields, visit) }

// People is that of the [Message] it was made from.
func (p Prepared) People(visit func(id []byte)) { linkIDs(rawjson.OpenObject(p.item), visit) }
