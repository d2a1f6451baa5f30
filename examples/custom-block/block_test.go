package customblock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/runtimetest"
)

func TestAcceptance(t *testing.T) {
	runtimetest.Run(t, runtimetest.Driver{
		Register: customblock.Register,
		Source:   func(url string) any { return customblock.Source{URL: url, Token: runtimetest.Secret} },
	})
}

func TestFaultySources(t *testing.T) {
	for _, source := range []customblock.Source{
		{URL: "board.example.com", Token: "t"},
		{URL: "https://somebody:hush-hush@board.example.com", Token: "t"},
		{URL: "https://board.example.com"},
	} {
		_, err := runtime.New(registry.New(), runtime.Source("board", source))
		require.ErrorContains(t, err, `source "board"`)
		require.NotContains(t, err.Error(), "hush-hush")
	}
}
