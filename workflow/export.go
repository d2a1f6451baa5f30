package workflow

import (
	"encoding/json"

	"github.com/aacflow/segment-blocks/rawjson"
)

type exported struct{ blocks rawjson.Object }

func exportedState(raw json.RawMessage) exported { return exported{} }

func (p *parser) readExport(state exported) []draft { return nil }
